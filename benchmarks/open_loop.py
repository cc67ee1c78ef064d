"""usage: open_loop.py PORT REQUEST RATE CLIENTS SECONDS     ask by a timetable

Each client has a connection and asks RATE / CLIENTS times a second, whatever is answered: a request
that falls due while the former is not answered waits for that, and its time counts from when it was
due. A client that is told to come again (503) forgets what it owes and asks nothing until its
Retry-After is over. Each is answered once before the time begins. REQUEST is a file with all bytes
of one. Prints one JSON object; times in ms.
"""

from __future__ import annotations

import collections
import json
import re
import select
import socket
import sys
import time
from pathlib import Path

_AGAIN = re.compile(rb"(?i)\r\nretry-after: (\d+)")
AT_ONCE = 64  # answers that are read between two looks at what is due: else requests go in bursts
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")


class Client:
    """A connection; the request under way and those that are owed, by when they were due."""

    __slots__ = ("asked", "got", "owed", "socket", "until")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked: float | None = None
        self.owed: collections.deque[float] = collections.deque()
        self.got = b""
        self.until = 0.0

    def ask(self, due: float) -> None:
        self.asked = due
        self.socket.send(REQUEST)


def whole(got: bytes) -> bool:
    """Whether all of an answer is there."""
    head = got.find(b"\r\n\r\n") + 4
    length = _LENGTH.search(got)
    return head > 3 and length is not None and len(got) - head >= int(length[1])


port, file, rate, clients, seconds = sys.argv[1:]
REQUEST = Path(file).read_bytes()
every = int(clients) / float(rate)
poll, by_fd = select.epoll(), {}
for _ in range(int(clients)):
    client = Client(int(port))
    client.ask(0.0)
    while not whole(client.got):
        client.got += client.socket.recv(65536)
    client.asked, client.got = None, b""
    by_fd[client.socket.fileno()] = client
    poll.register(client.socket, select.EPOLLIN)

clock = time.perf_counter
took: list[float] = []
late: list[float] = []
refused = errors = 0
start, cpu = clock(), time.process_time()
end = start + float(seconds)
# One period for all: who was due first is due first again.
due = collections.deque(
    (start + every * i / int(clients), client) for i, client in enumerate(by_fd.values())
)
while (now := clock()) < end:
    while due[0][0] <= now:
        when, client = due.popleft()
        due.append((when + every, client))
        if now < client.until:
            continue
        if client.asked is None:
            late.append(now - when)
            client.ask(when)
        else:
            client.owed.append(when)
    for fd, _ in poll.poll(max(0.0, due[0][0] - clock()), AT_ONCE):
        client = by_fd[fd]
        client.got += client.socket.recv(65536)
        if not whole(client.got):
            if not client.got:
                sys.exit("the server closed a connection")
            continue
        answer, client.got = client.got, b""
        now, asked, client.asked = clock(), client.asked, None
        status = answer[9:12]
        if status == b"200":
            took.append(now - asked)
        elif status == b"503" and (again := _AGAIN.search(answer)):
            refused += 1
            client.until = now + int(again[1])
            client.owed.clear()
        else:
            errors += 1
        if client.owed:
            client.ask(client.owed.popleft())
took.sort()
late.sort()
print(
    json.dumps(
        {
            "requests": len(took),
            "seconds": clock() - start,
            "refused": refused,
            "errors": errors,
            "p50": took[len(took) // 2] * 1000,
            "p99": took[len(took) * 99 // 100] * 1000,
            "late_p99": late[len(late) * 99 // 100] * 1000,
            "busy": (time.process_time() - cpu) / (clock() - start),
        }
    )
)
