"""TLS: the certificate and key of a server, read anew whenever their files change."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import NoReturn

from mlops_cli._files import stamp_of
from mlops_cli.errors import UsageError

log = logging.getLogger(__name__)


class Tls:
    """The pair in two files in PEM; `context` is what new connections are encrypted by.

    Raises `UsageError` naming the file that cannot be read, or why the two are no pair. A pair
    that is broken later leaves the one before in force, and the log says so.
    """

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert, self._key = cert, key
        self._stamps = self._look_at_files()
        self.context = load_pair(cert, key)

    def look(self) -> None:
        """Read the pair if a file is another one than before; for once a second."""
        stamps = self._look_at_files()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self.context = load_pair(self._cert, self._key)
        except UsageError as e:  # one of the two may be on its way
            log.error("%s; the pair that was read before stays in force", e.message)
            return
        log.warning("serve.tls: %s was read anew", self._cert)

    def content(self) -> tuple[bytes, bytes]:
        """What the files hold: the key, the certificate."""
        return self._key.read_bytes(), self._cert.read_bytes()

    def _look_at_files(self) -> tuple[object, object]:
        return stamp_of(self._cert), stamp_of(self._key)


def load_pair(cert: Path, key: Path) -> ssl.SSLContext:
    """A server's context: TLS 1.2 and later, HTTP/1.1. Raises `UsageError`; see `Tls`."""
    for file in (cert, key):
        try:
            file.read_bytes()
        except OSError as e:
            raise UsageError(f"serve.tls: {file} cannot be read: {e.strerror}", hint=_HINT) from e
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=lambda: _refuse_password(key))
    except ssl.SSLError as e:
        why = _REASONS.get(e.reason, f"they cannot be read as PEM ({e.reason or 'no PEM'})")
        both = f"{cert} and {key}"
        raise UsageError(f"serve.tls: {both} are no pair: {why}", hint=_HINT) from e
    return context


def _refuse_password(key: Path) -> NoReturn:
    raise UsageError(
        f"serve.tls: {key} is encrypted, and a server that starts by itself has no password",
        hint=f"openssl pkey -in {key} -out KEY, readable for the server's user alone",
    )


_HINT = "cert: the certificate and those between it and its root, key: its private key, both in PEM"
_REASONS = {"KEY_VALUES_MISMATCH": "the key is of another certificate"}
