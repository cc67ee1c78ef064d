"""People, by e-mail: SMTP, with STARTTLS where the server has it, or over TLS from the start."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import SplitResult, unquote, urlsplit

from mlops_cli.alerts.base import Message
from mlops_cli.alerts.sinks.base import SinkFault, filled, without
from mlops_cli.alerts.text import plain, title
from mlops_cli.config.sections.alerts import EmailSink

_SECONDS = 10.0  # for each step
_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Mail:
    """Sends a mail a message; those of one incident are one thread."""

    incidents = False

    def __init__(self, asked: EmailSink, project: str) -> None:
        self._asked, self._project = asked, project

    def send(self, message: Message, number: str) -> None:
        """See `Sink.send`; a repetition has the same `Message-ID`."""
        url = filled(self._asked.smtp)
        at = _address(url)
        name, password = unquote(at.username or ""), unquote(at.password or "")
        try:
            with _connection(at) as server:
                if name:
                    server.login(name, password)
                server.send_message(self.mail(message, number, name))
        except smtplib.SMTPRecipientsRefused as e:
            said = ", ".join(f"{who} ({answer[0]})" for who, answer in e.recipients.items())
            raise SinkFault(f"it refuses {said}") from None
        except (OSError, smtplib.SMTPException) as e:
            what = "it does not answer in time" if isinstance(e, TimeoutError) else "it failed"
            raise SinkFault(without(f"{what}: {e}", url, password, at.password or "")) from None

    def mail(self, message: Message, number: str, login: str) -> EmailMessage:
        """The mail; it comes from `from`, else from the login where that is an address."""
        mail = EmailMessage()
        mail["Subject"] = _line(f"[{self._project}] {title(message)}")
        mail["From"] = self._asked.from_ or (login if "@" in login else self._asked.email[0])
        mail["To"] = ", ".join(self._asked.email)
        mail["Date"] = formatdate()
        mail["Message-ID"] = _identity(number)
        mail["References"] = _identity(message.key)
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(plain(message))
        return mail


def _connection(at: SplitResult) -> smtplib.SMTP:
    host, context = at.hostname or "", ssl.create_default_context()
    port = at.port or _PORTS[at.scheme]
    if at.scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=context)
    server = smtplib.SMTP(host, port, timeout=_SECONDS)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=context)
        server.ehlo()
    elif at.username and host not in _LOOPBACK:
        server.close()
        raise SinkFault("it has no STARTTLS, and a password is not sent without")
    return server


def _address(url: str) -> SplitResult:
    try:
        at = urlsplit(url)
        at.port  # noqa: B018  raises for one that is no number
    except ValueError:
        raise SinkFault("its address is no URL") from None
    if at.scheme not in _PORTS or not at.hostname:
        raise SinkFault("its address is no URL that begins with smtp:// or smtps://")
    return at


def _identity(text: str) -> str:
    return f"<{hashlib.sha256(text.encode()).hexdigest()[:32]}@mlops-cli>"


def _line(text: str) -> str:
    return " ".join(text.split())
