"""The way in: connections are taken from the kernel's queue, a few at each turn of the loop.

uvloop takes one a turn, so that under load they wait in the kernel, where nobody sees that their
clients have given up: the server then works for those alone. Here all are taken, and where more
wait than a turn lets in, half of a turn is for who has waited longest and half for the newest: a
client that gives up sooner than the queue takes is answered, too, and a patient one is not starved.

Of several workers each takes a few at a turn, and who has more connections than another leaves him
the next for a moment: connections stay, and their work with them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable

from mlops_cli.serving.admission import Admission
from mlops_cli.serving.sockets import has_left, waiting

log = logging.getLogger(__name__)

A_TURN = 16  # connections that are let in between two looks at those that are open
BACKLOG = 2048
HANDSHAKES = 32  # of TLS, that are not ended for others however many connections there are
SHARE = 4  # connections that one of several workers takes at a turn
POLITE = 0.001  # seconds for which a worker leaves who comes to one with fewer connections
PAUSE = 1.0  # seconds in which nobody is taken after the system had no file for one


class Entrance:
    """Lets in by `connect` who comes to `listener`, which it never closes.

    Where `connect` takes a client's time, in `handshakes`, each counts as a connection; beyond
    the allowed number the one that has taken longest is ended.
    """

    def __init__(
        self,
        listener: socket.socket,
        connect: Callable[[socket.socket], Awaitable[object]],
        admission: Admission,
        *,
        handshakes: bool = False,
    ) -> None:
        self._listener = listener
        self._connect = connect
        self._admission = admission
        self._handshakes = handshakes
        self._waiting: deque[socket.socket] = deque()
        self._connecting: dict[asyncio.Future[object], None] = {}  # the oldest first
        self._next: asyncio.Handle | None = None
        self._open = False

    def open(self) -> None:
        """Listen; `OSError` where somebody else listens already."""
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self._open = True
        asyncio.get_running_loop().add_reader(self._listener, self._look)

    def close(self) -> None:
        """Take nobody any more; who was taken is let in."""
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._listener)
        self._let_in(len(self._waiting))

    def take(self, client: socket.socket) -> None:
        """Let in one that was taken from the queue by somebody else."""
        self._waiting.append(client)
        self._let_in(1)

    @property
    def busy(self) -> bool:
        """Whether somebody is being let in."""
        return bool(self._connecting)

    def give_up(self) -> None:
        """End the handshakes that are under way."""
        for connecting in self._connecting:
            connecting.cancel()

    def _look(self) -> None:
        if self._admission.has_more_than_another():
            self._rest(POLITE)
        else:
            self._take()

    def _take(self) -> None:
        room = self._room()
        if self._admission.metrics.workers > 1:
            room = min(room, SHARE)
        try:
            self._waiting.extend(waiting(self._listener, room))
        except OSError as e:
            log.warning("no connection can be taken for %.0f s: %s", PAUSE, e)
            self._rest(PAUSE)
        if self._next is None:
            self._turn()

    def _rest(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        if self._open:
            asyncio.get_running_loop().add_reader(self._listener, self._look)
            self._take()

    def _room(self) -> int:
        """How many may be taken; beyond the allowed, a turn's, which `admission` decides on."""
        taken = len(self._waiting) + self._taken()
        return max(A_TURN - len(self._waiting), self._admission.most_connections - taken, 0)

    def _taken(self) -> int:
        handshakes = len(self._connecting) if self._handshakes else 0
        return handshakes + len(self._admission.connections)

    def _turn(self) -> None:
        self._next = None
        self._admission.crowd = crowd = len(self._waiting) > A_TURN
        self._let_in(A_TURN, look=crowd)
        if self._waiting:
            self._next = asyncio.get_running_loop().call_soon(self._turn)

    def _let_in(self, most: int, *, look: bool = False) -> None:
        """So many, from both ends in turn; `look`: whose client has left is closed unheard."""
        loop, let_in = asyncio.get_running_loop(), 0
        while self._waiting and let_in < most:
            client = self._waiting.pop() if let_in % 2 else self._waiting.popleft()
            if look and has_left(client.fileno()):
                self._admission.metrics.count(499)
                client.close()
                continue
            let_in += 1
            connecting = asyncio.ensure_future(self._connect(client), loop=loop)
            self._connecting[connecting] = None
            connecting.add_done_callback(self._connected)
            if self._handshakes:
                self._make_room()

    def _make_room(self) -> None:
        under_way = len(self._connecting)
        if under_way > HANDSHAKES and self._taken() > self._admission.most_connections:
            oldest = next(iter(self._connecting))
            del self._connecting[oldest]
            oldest.cancel()

    def _connected(self, connecting: asyncio.Future[object]) -> None:
        self._connecting.pop(connecting, None)
        if connecting.cancelled() or isinstance(connecting.exception(), OSError):
            # The client left while it was let in, or its handshake came to nothing.
            self._admission.note("a connection that was not made")
