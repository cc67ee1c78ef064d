"""What flows on one connection: nothing is read while requests wait, and answers must be taken."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """uvicorn's; while `held` nothing more is read, since requests wait on the connection."""

    def __init__(self, transport: asyncio.Transport, now: float) -> None:
        super().__init__(transport)
        self.held = False
        self._transport = transport
        self._unsent, self._since = 0, now

    def resume_reading(self) -> None:
        """Read on, unless it is held."""
        if not self.held:
            super().resume_reading()

    def stalls(self, now: float) -> float:
        """Seconds in which the client has taken nothing of what it was sent."""
        unsent = self._transport.get_write_buffer_size()
        if not unsent or unsent < self._unsent:
            self._since = now
        self._unsent = unsent
        return now - self._since
