"""A mail server on a free port, for the tests of what is mailed."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from servers import free_port

NAME, PASSWORD = "ops@example.org", "p/w@s3cr3t:x"


class Mailbox:
    """Keeps the mails that came; with a certificate it has STARTTLS, and asks who it is."""

    def __init__(self, pair: tuple[Path, Path] | None = None, *, from_start: bool = False) -> None:
        self.mails: list[Any] = []
        self.logins: list[bytes] = []
        self.port = free_port()
        options: dict[str, Any] = {}
        if pair:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*pair)
            options["authenticator"] = self._login
            if from_start:
                options |= {"ssl_context": context, "auth_require_tls": False}
            else:
                options |= {"tls_context": context, "auth_required": True}
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)

    def _login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login)
        right = (data.login, data.password) == (NAME.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope)
        return "250 kept"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Mailbox:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()
