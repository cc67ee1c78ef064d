"""Who is let in: requests in flight, connections, and bodies in memory are bounded together."""

from __future__ import annotations

import asyncio
import heapq
import logging
import resource
from collections import Counter, deque
from collections.abc import Iterable
from typing import Protocol

from mlops_cli.serving.metrics import CONNECTIONS, IN_FLIGHT, Metrics
from mlops_cli.serving.requests import MAX_BODY
from mlops_cli.serving.settings import Limits
from mlops_cli.serving.sockets import has_left

log = logging.getLogger(__name__)

LARGE = 64 * 1024  # bytes from which on a body counts
BODIES = 8 * MAX_BODY  # bytes of large bodies that are held at a time
ROOM = 64  # connections beyond the limit that are heard: they get pages, such as /healthz
OTHER_FILES = 64  # descriptors for all but connections
IDLE = 1.0  # seconds after which a connection that asks nothing may be closed for another
AT_ONCE = (
    32  # connections closed for others at a time: who waits longest is not looked for each time
)
BUSY = 16  # requests in flight from which on it is worth to look whether a client has left
EVERY = 60.0  # seconds between two lines in the log


class Client(Protocol):
    """A connection, as this room sees it."""

    since: float | None
    asks: bool

    def resume(self) -> None:
        """Go on with what was put off."""

    def make_room(self) -> None:
        """Close, for another connection."""

    def fileno(self) -> int:
        """The socket's descriptor; -1 when it is closed."""


class Admission:
    """The bounds of one process. `draining`: every answer says that the connection ends."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits = limits
        self.metrics = metrics
        self.draining = False
        self.crowd = False  # whether more wait to be let in than one turn takes
        self.in_flight = 0
        self.bodies = 0
        self.connections: set[Client] = set()
        self.most_connections = limits.connections
        self._alone = metrics.workers == 1
        self._most_read = 2 * limits.in_flight
        self._refused_now = 0
        self._put_off: deque[Client] = deque()
        self._tally: Counter[str] = Counter()
        self._told = float("-inf")

    def raise_file_limit(self) -> None:
        """Raise the soft limit of open files as far as connections need it, or take fewer."""
        wanted = self.limits.connections + ROOM + OTHER_FILES
        before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if before == resource.RLIM_INFINITY or before >= wanted:
            return
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (OSError, ValueError):  # macOS has a limit beyond the hard one
            soft = before
        if soft < wanted:
            self.most_connections = max(1, soft - ROOM - OTHER_FILES)
            log.warning(
                "%d files may be open: at most %d connections, not %d",
                soft,
                self.most_connections,
                self.limits.connections,
            )

    def opened(self, client: Client) -> bool:
        """Take a connection, and make room for it where there is none; False: close it at once."""
        self.connections.add(client)
        self.metrics.show(CONNECTIONS, len(self.connections))
        if not self.crowded:
            return True
        for other in heapq.nsmallest(AT_ONCE, self._waiting(client), key=_since):
            self.count(503, "a connection closed for others")
            other.make_room()
        if self._open() <= self.most_connections + ROOM:
            return True
        self.closed(client)
        self.count(503, "a connection too many")
        return False

    def closed(self, client: Client) -> None:
        """A connection is gone, or goes for another."""
        self.connections.discard(client)
        self.metrics.show(CONNECTIONS, len(self.connections))

    def has_more_than_another(self) -> bool:
        """Whether another worker has fewer connections than this one."""
        return len(self.connections) > self.metrics.least(CONNECTIONS)

    def _open(self) -> int:
        """The connections of all workers."""
        return self.metrics.everywhere(CONNECTIONS)

    def _waiting(self, newest: Client) -> Iterable[Client]:
        now = asyncio.get_running_loop().time()
        for client in self.connections:
            since = None if client is newest else client.since
            if since is not None and (client.asks or now - since > IDLE):
                yield client

    @property
    def crowded(self) -> bool:
        """Whether there are more connections than allowed: only pages are answered to who came."""
        return self._open() > self.most_connections

    def admit(self, *, crowded: bool = False) -> bool:
        """Whether a whole request may be worked on; it is in flight until `answered`."""
        if crowded or self.full:
            self.turned_away()
            return False
        self.in_flight += 1
        self.metrics.show(IN_FLIGHT, self.in_flight)
        return True

    def turned_away(self) -> None:
        """Count a request that is refused since there is no room for it."""
        self.count(503, "a request too many")
        if not self._refused_now:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._refused_now += 1

    @property
    def full(self) -> bool:
        """Whether all workers together have as much in flight as they may."""
        if self._alone:
            return self.in_flight >= self.limits.in_flight
        return self.metrics.everywhere(IN_FLIGHT) >= self.limits.in_flight

    def leaves_early(self, client: Client) -> bool:
        """Whether the client has hung up; looked at only where requests wait for their turn."""
        return (self.crowd or self.in_flight > BUSY) and has_left(client.fileno())

    def answered(self) -> None:
        """A request that was admitted is answered, or nobody waits for it any more."""
        self.in_flight -= 1
        self.metrics.show(IN_FLIGHT, self.in_flight)
        if self._put_off:
            self._resume()

    def overloaded(self) -> bool:
        """Whether so much was refused in this turn that nothing more is read."""
        return self.in_flight + self._refused_now >= self._most_read

    def put_off(self, client: Client) -> None:
        """Let a connection wait until fewer requests are in flight."""
        self._put_off.append(client)

    def count(self, status: int, what: str) -> None:
        """Count what was refused, for /metrics and for the line in the log."""
        self.metrics.count(status)
        self._tally[what] += 1

    def note(self, what: str) -> None:
        """Count what is no refusal for the line in the log."""
        self._tally[what] += 1

    def tell(self, now: float) -> None:
        """At most once a minute: one line in the log with what was refused since the last."""
        if self._tally and now - self._told >= EVERY:
            said = ", ".join(f"{what} ({n})" for what, n in self._tally.most_common())
            log.warning("refused: %s; %d connections", said, len(self.connections))
            self._tally.clear()
            self._told = now

    def _next_turn(self) -> None:
        self._refused_now = 0
        self._resume()

    def _resume(self) -> None:
        while self._put_off and self.in_flight < self.limits.in_flight:
            self._put_off.popleft().resume()


def _since(client: Client) -> float:
    return client.since or 0.0
