"""One connection: uvicorn's protocol, with bounds on what a client sends and how slowly."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from mlops_cli.serving import refusals
from mlops_cli.serving.admission import BODIES, LARGE, Admission
from mlops_cli.serving.bodies import READ, BodyAlone, head_of_body, length_of
from mlops_cli.serving.contract import PREDICT
from mlops_cli.serving.flow import Flow
from mlops_cli.serving.one_event import OneEvent, OneEvents
from mlops_cli.serving.requests import MAX_BODY
from mlops_cli.serving.sockets import has_left

SLICE = 1024  # bytes between two looks whether requests are piled up, but in a body
KEEP_ALIVE = 75.0  # seconds that a connection may ask nothing
LINGER = 5.0  # seconds in which what a refused client still sends is thrown away


class Connection(HttpToolsProtocol):
    """Hands a request on when it is whole, one at a time, if `admission` lets it in.

    `since` is the loop's time from which the client is waited for, None while it waits for us;
    `asks` whether a request of it has begun, or its first is still to come.
    """

    flow: Flow

    def __init__(
        self, *args: Any, admission: Admission, one_events: OneEvents, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._admission = admission
        self._one_events = one_events
        self.since: float | None = None
        self._one: OneEvent | None = None  # the prediction that is under way without a task
        self.asks = True
        self._fault: tuple[int, str] | None = None
        self._begun = 0  # bytes of the message so far, as far as they are counted; 0: none began
        self._head = self._messages = 0  # bytes of URL and headers so far; requests so far
        self._in_head, self._size = True, 0  # bytes of the body so far
        self._booked = 0  # those that `admission.bodies` knows of
        self._unstarted: tuple[RequestResponseCycle, Any] | None = None
        self._held = bytearray()
        self._task: asyncio.Task[None] | None = None  # of the request that is worked on
        self._answered_now: RequestResponseCycle | None = None  # that request
        self._admitted = self._lingers = self._crowded = False
        self._declared = 0  # the body's length, as far as the header says it
        self._awaited: tuple[int, bool] | None = None  # the message and part that `since` is of

    # -- from the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's is
        """Begin to wait for the first request, if there is room."""
        super().connection_made(transport)
        self.since = self.loop.time()
        self.flow = Flow(transport, self.since)
        if not self._admission.opened(self):
            transport.abort()
        self._crowded = self._admission.crowded

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the work for a client that has gone."""
        self._admission.closed(self)
        if self._one is not None or self._task is not None:
            self._admission.metrics.count(499)  # as nginx calls it
        if self._one is not None:
            self._one.gone = True
        if self._task is not None and self._answered_now is not None:
            self._answered_now.disconnected = True  # uvicorn tells only the last that was read
            self._task.cancel()
        self._done()
        self._held.clear()
        super().connection_lost(exc)
        self.cycle = self._answered_now = None  # type: ignore[assignment]  # they know of us

    def data_received(self, data: bytes) -> None:
        """Parse what came, or keep it while earlier requests wait."""
        if self._lingers:
            self._size += len(data)
            if self._size > READ:
                self.transport.abort()
        elif self.flow.held or (self._one is not None and self._answered_now is None):
            self._hold(data)  # the parser does not know of that one
        elif self._in_head and data.startswith(b"POST") and self._admission.overloaded():
            self._hold(data)
            self._admission.put_off(self)
        elif not self.idle():
            self._feed(data)
        elif not self._begin_known(data):
            self._feed(data)
            self._learn(data)

    def _begin_known(self, data: bytes) -> bool:
        """Begin on a prediction whose head is known, or refuse it; False: it is to be parsed."""
        known = self._one_events.heads.parse(data)
        if known is None or self._crowded or self.flow.write_paused:
            return False
        full = self._admission.full
        if not full and not self._admission.leaves_early(self):
            self._one = self._one_events.begin_known(*known, self._respond)
        if self._one is None and not full:
            return False
        self._admitted, self._answered_now = self._admission.admit(), None
        self._messages += 1
        self.since, self.asks = None, False
        if full:
            self._respond(*refusals.full_anew())
        return True

    def _learn(self, data: bytes) -> None:
        """Keep the head of the prediction that was begun on, if it was and `data` is all of it."""
        cycle = self.cycle
        if cycle is self._answered_now and not self._begun and self._one and cycle.keep_alive:
            self._one_events.heads.learn(data, cycle.scope["headers"], self._declared)

    def _feed(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            size = max(SLICE, 0 if self._in_head else self._declared - self._size)
            self._parse(left[:size])
            left = left[size:]
            if self.pipeline:
                self._hold(left)
            if self.flow.held or self._lingers or self.transport.is_closing():
                return

    def _parse(self, data: bytes | memoryview) -> None:
        message, began, size = self._messages, self._begun, self._size
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as e:
            self._read_without_upgrade(bytes(data[e.args[0] :]))
            return
        except httptools.HttpParserError:
            self._refuse(*(self._fault or refusals.NO_HTTP))
            return
        if not self._begun:
            return
        if began and message == self._messages:
            # A line without end reaches no callback: in the head, of a chunk, behind the last.
            self._begun = self._begun + len(data) if size == self._size else 1
            if self._begun > self._admission.limits.header:
                self._refuse(*refusals.headers(self._admission.limits.header))
        part = self._messages, self._in_head
        if part != self._awaited and self.since is not None:
            self._awaited = part
            self.since, self.asks = self.loop.time(), True

    def _read_without_upgrade(self, rest: bytes) -> None:
        """Answer a request to upgrade as it is, the last, which HTTP allows.

        The parser would go on with another protocol; another one reads the body. Java's client
        asks for HTTP/2 so, with its first request.
        """
        self._admission.note("an upgrade that is not made")
        self.cycle.keep_alive = False
        self.parser = httptools.HttpRequestParser(BodyAlone(self.on_body, self.on_message_complete))
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._parse(head_of_body(self.headers) + rest)

    def _hold(self, data: bytes | memoryview) -> None:
        self._held += data
        self.flow.pause_reading()
        self.flow.held = True
        self.since = None

    def resume(self) -> None:
        """Go on with what was held."""
        if self.transport.is_closing():
            return
        if has_left(self.fileno()):
            self._admission.metrics.count(499)
            self.transport.abort()
            return
        data, self._held = bytes(self._held), bytearray()
        self.flow.held = False
        if self._task is None and self._one is None:
            self.since = self.loop.time()
        self._feed(data)
        self.flow.resume_reading()

    # -- from the parser

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._messages += 1
        self._in_head, self._begun = True, 1
        self._head = self._size = self._declared = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the URL."""
        self._head += len(url)
        if self._head > self._admission.limits.header:
            self._stop(*refusals.url(self._admission.limits.header))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a chunked body is thrown away."""
        self._head += len(name) + len(value) + 4
        if self._head > self._admission.limits.header or len(self.headers) >= refusals.HEADERS:
            self._stop(*refusals.headers(self._admission.limits.header))
        if not self._in_head:
            return
        name = name.lower()
        if name == b"content-length":
            self._declared = length_of(value)
        elif name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Refuse a body that says it is too long before it comes, or ask for it."""
        self._in_head = False
        if self._declared > (MAX_BODY if self.expect_100_continue else READ):
            self._stop(*refusals.TOO_LONG)
        asks_first, self.expect_100_continue = self.expect_100_continue, False
        super().on_headers_complete()
        if asks_first and not self.pipeline:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body, unless it is too long already."""
        self._size += len(body)
        if self._size > MAX_BODY:
            self.cycle.body.clear()
            if self._size > READ:
                self._stop(*refusals.TOO_LONG)
            return
        self.cycle.body += body
        if self._size > LARGE:
            self._booked += len(body)
            self._admission.bodies += len(body)
            if self._admission.bodies > BODIES:
                self._stop(*refusals.FULL)

    def on_message_complete(self) -> None:
        """Start on a request that is whole, unless an earlier one is under way."""
        if self.parser.should_upgrade():
            return
        self._in_head, self._begun = True, 0
        if self._size > MAX_BODY:
            self._stop(*refusals.TOO_LONG)
        super().on_message_complete()
        waits, self._unstarted = self._unstarted, None
        if waits is not None:
            self._start_asgi_task(*waits)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """uvicorn's, called for the header; here nothing is started before the body is there."""
        if cycle.more_body:
            self._unstarted = cycle, app
            return
        self.since, self.asks = None, False
        cycle.keep_alive &= not self._crowded
        posts, self._answered_now = cycle.scope["method"] == "POST", cycle
        if posts and not self._admit(cycle):
            return
        if posts and cycle.scope["path"] == PREDICT and not self.flow.write_paused:
            body = bytes(cycle.body)
            self._one = self._one_events.begin(cycle.scope["headers"], body, self._respond)
            if self._one is not None:
                return
        self._task = self.loop.create_task(cycle.run_asgi(app))
        self._task.add_done_callback(self.tasks.discard)
        self.tasks.add(self._task)

    def _respond(self, status: int, request_id: bytes, body: bytes) -> None:
        """Answer the prediction that is under way, as uvicorn's cycle would."""
        if self.transport.is_closing():
            return
        cycle = self._answered_now  # None of one whose head was known, which is to be kept open
        closes = self._admission.draining or not (cycle is None or cycle.keep_alive)
        opening = self._one_events.openings.of(status, self.server_state.default_headers)
        self.transport.write(refusals.content(opening, request_id, body, closes=closes))
        if cycle is not None:
            cycle.response_started = cycle.response_complete = True
        if closes:
            self.transport.close()
        self.on_response_complete()

    def _admit(self, cycle: RequestResponseCycle) -> bool:
        if self._admission.leaves_early(self):
            self._admission.metrics.count(499)
            self.transport.abort()
            return False
        self._admitted = self._admission.admit(crowded=self._crowded)
        if not self._admitted:
            cycle.keep_alive &= not self._admission.draining
            self.transport.write(refusals.full(cycle.scope, keep_alive=cycle.keep_alive))
            cycle.response_complete = True
            if not cycle.keep_alive:
                self.transport.close()
            self.on_response_complete()
        return self._admitted

    def on_response_complete(self) -> None:
        """Go on with what the client sent meanwhile, or wait for it."""
        self.server_state.total_requests += 1
        self._task = self._one = None
        self._done()
        if self.transport.is_closing():
            return
        self.since, self.asks = self.loop.time(), bool(self._begun)
        next_one = self.pipeline.pop() if self.pipeline else None
        if next_one is not None:
            self._start_asgi_task(*next_one)
            if not next_one[0].more_body:
                return
        if self._fault:
            self._refuse(*self._fault)
        elif self.flow.held:
            self.loop.call_soon(self.resume)
        else:
            self.flow.resume_reading()

    def _done(self) -> None:
        """Give back what the request held."""
        if self._booked:
            self._admission.bodies -= self._booked
            self._booked = 0
        if self._admitted:
            self._admitted = False
            self._admission.answered()

    # -- what ends a connection

    def _stop(self, status: int, message: str) -> None:
        self._fault = status, message
        raise refusals.Refused

    def _refusal(self, fault: refusals.Fault) -> bytes:
        """The answer that ends the connection, to as much of a request as has come."""
        return refusals.answer(*fault, keep_alive=False, url=self.url, headers=self.headers)

    def _refuse(self, status: int, message: str) -> None:
        """Answer and close; after the answers to what was asked before."""
        self._fault = status, message
        self._unstarted = None
        if self._task is not None or self._one is not None:
            self._hold(b"")
            return
        said = self._refusal((status, message))
        self._admission.count(status, refusals.phrase(status))
        self._lingers, self._size = True, 0
        self.since, self.asks, self._begun = self.loop.time(), False, 0
        self._done()
        self._held.clear()
        self.headers, self.scope, self.url, self.cycle = [], None, b"", None  # type: ignore[assignment]  # as uvicorn's begin
        self.transport.write(said)
        if self.transport.can_write_eof():  # TLS cannot
            self.transport.write_eof()
        self.flow.held = False
        self.flow.resume_reading()

    def make_room(self) -> None:
        """Close for another connection, and say why to a client that asks for something."""
        self._admission.closed(self)
        if self._begun:
            self.transport.write(self._refusal(refusals.FULL))
        self.shutdown()

    def shutdown(self) -> None:
        """Close."""
        self.transport.close()

    def look(self, now: float) -> None:
        """End what the client has been waited for too long; called once a second."""
        limits = self._admission.limits
        if self.flow.stalls(now) > limits.timeout:
            self.transport.abort()
        waited = now - (now if self.since is None else self.since)
        if self._lingers:
            if waited > LINGER:
                self.transport.abort()
        elif not self.asks:
            if waited > KEEP_ALIVE:
                self.shutdown()
        elif waited > limits.timeout and not self._begun:
            self.shutdown()
        elif waited > limits.timeout:
            self._refuse(*refusals.late("header" if self._in_head else "body", limits.timeout))

    def idle(self) -> bool:
        """Whether no request is under way, nor has begun to arrive."""
        return self.since is not None and not self._begun

    def has_asked(self) -> bool:
        """Whether a request has ever begun."""
        return self._messages > 0 or self._lingers

    def fileno(self) -> int:
        """The socket's descriptor; -1 when it is closed."""
        return int(self.transport.get_extra_info("socket").fileno())
