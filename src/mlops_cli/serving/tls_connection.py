"""A connection over TLS: it ends without waiting until its client has said that it heard so."""

from __future__ import annotations

from mlops_cli.serving.connection import Connection
from mlops_cli.serving.sockets import unsent

GOODBYE = 0.2  # seconds between two looks whether a client has all that was sent


class TlsConnection(Connection):
    """Closes the socket when the client has all; a client that asks nothing answers no goodbye."""

    def shutdown(self) -> None:
        """Close; what was written goes out first."""
        super().shutdown()
        self.loop.call_later(GOODBYE, self._let_go)

    def _let_go(self) -> None:
        if self not in self.connections:
            return
        if self.transport.get_write_buffer_size() or unsent(self.fileno()):
            self.loop.call_later(GOODBYE, self._let_go)
        else:
            self.transport.abort()
