"""What a client may take: beyond it, it is refused, and all others are answered."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

import bundles
from limited import HEAD, Server, heard, limited, send, told

GET = b"GET /healthz HTTP/1.1\r\n\r\n"


@pytest.fixture(scope="module")
def server(binary: bundles.Sample) -> Iterator[Server]:
    """One with the limits that it has by itself, but for time."""
    with pytest.MonkeyPatch.context() as patch, limited(binary, patch, timeout="2s") as found:
        yield found
        assert found.process.poll() is None
        found.process.terminate()
        assert found.process.wait(timeout=40) == 0
        assert found.process.stderr is not None
        said = found.process.stderr.read()
        assert b"Traceback" not in said
        assert len(said.splitlines()) < 8, said.decode()  # one line a minute, whatever came


MANY = b"X-%d: " + b"y" * 990 + b"\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LARGE_HEADS = {
    "600 MB of headers": (HEAD, *(b"".join(MANY % i for i in range(1000)),) * 600),
    "a line without end": (HEAD, b"X: ", *(b"y" * 1_000_000,) * 200),
    "a name without end": (HEAD, *(b"y" * 1_000_000,) * 20),
    "101 headers": (HEAD, *(b"X: y\r\n",) * 100, b"\r\n"),
    "one of 65 KiB": (HEAD, b"X: " + b"y" * 66_560 + b"\r\n\r\n"),
    "after a chunked body": (
        CHUNKED + b"0\r\n",
        *(b"X: " + b"y" * 1000 + b"\r\n",) * 100,
    ),
    "a line without end after a chunked body": (CHUNKED, b"0\r\nX: ", *(b"y" * 1_000_000,) * 50),
    "a chunk's line without end": (CHUNKED, b"2;a=", *(b"y" * 1_000_000,) * 50),
    "a chunk's length without end": (CHUNKED, *(b"0" * 1_000_000,) * 50),
}


@pytest.mark.parametrize("name", LARGE_HEADS)
def test_headers_beyond_the_limit_are_refused_and_their_memory_is_given_back(
    server: Server, name: str
) -> None:
    server.healthy()
    before, counted = server.memory(), server.metric("mlops_requests_total", 431)
    said: list[bytes] = []
    client = threading.Thread(target=lambda: said.append(server.say(*LARGE_HEADS[name])))
    client.start()
    while client.is_alive():
        assert server.healthy() < 5
    status, headers, content = told(said[0])
    assert (status, headers["connection"]) == (431, "close")
    assert "65536 bytes" in content["error"]["message"]
    assert server.memory() < before + 20
    assert server.metric("mlops_requests_total", 431) == counted + 1


def test_headers_below_the_limit_are_taken(server: Server) -> None:
    long = b"".join(b"X-%d: %b\r\n" % (i, b"y" * 600) for i in range(90))
    assert told(server.say(server.predicts(long)))[0] == 200
    status, _, _ = told(server.say(server.predicts(b"X: " + b"y" * 60_000 + b"\r\n")))
    assert status == 200


def test_a_chunked_body_may_have_more_lines_than_a_header_may_have_bytes(server: Server) -> None:
    """A client may send each in a packet of its own."""
    space, end = b"1\r\n \r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(server.event), server.event)
    close = CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert told(server.say(close, *(space * 1000,) * 30, end))[0] == 200


@pytest.mark.parametrize("url", [b"/" + b"a" * 70_000, b"/v1/predict?" + b"a" * 500_000])
def test_a_url_beyond_the_limit_is_refused(server: Server, url: bytes) -> None:
    status, headers, _ = told(server.say(b"GET " + url + b" HTTP/1.1\r\n\r\n"))
    assert (status, headers["connection"]) == (414, "close")


def test_a_client_is_not_waited_for_longer_than_the_limit(server: Server) -> None:
    """With a line, a header, a body or a chunk that does not end; one that sends nothing is left
    without a word."""
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    slow = {
        b"POST /v1/pre": "header",
        HEAD: "header",
        HEAD + b"Content-Length: 100\r\n\r\n": "body",
        HEAD + b"Content-Length: 100\r\n\r\n{": "body",
        chunked: "body",
        chunked + b"5\r\n{": "body",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n": "body",
        b"": "",
    }
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in slow]
        for client, sent in zip(clients, slow, strict=True):
            client.sendall(sent)
        for client, what in zip(clients, slow.values(), strict=True):
            answer = heard(client).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
            if not what:
                assert answer == b""
                continue
            status, headers, content = told(answer)
            assert (status, headers["connection"]) == (408, "close")
            assert f"the request's {what} did not come" in content["error"]["message"]
    assert 1.5 < time.monotonic() - started < 15
    assert server.metric("mlops_requests_total", 408) >= 7


def test_a_body_that_trickles_is_ended_too(server: Server) -> None:
    with server.connect() as client:
        client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < started + 15 and not _readable(client):
                client.sendall(b"1\r\n \r\n")
                time.sleep(0.05)
        assert told(heard(client))[0] == 408


def _readable(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        client.settimeout(20)


def test_a_slow_client_that_comes_to_an_end_is_answered(server: Server) -> None:
    asked = server.predicts()
    with server.connect() as client:
        for start in range(0, len(asked), 40):
            client.sendall(asked[start : start + 40])
            time.sleep(0.05)
        assert told(heard(client))[0] == 200


def test_a_chunked_body_is_read(server: Server) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in server.event)
    head = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert told(server.say(head, chunks + b"0\r\nX-After: all\r\n\r\n"))[0] == 200


def test_a_body_larger_than_allowed_is_refused_in_any_form(server: Server) -> None:
    large = b" " * (17 * 2**20)
    status, headers, content = told(
        server.say(HEAD + b"Content-Length: %d\r\n\r\n" % len(large), large)
    )
    assert (status, headers["connection"]) == (413, "close")
    assert "16 MiB" in content["error"]["message"]
    chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    endless = (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *(chunk,) * 200)
    assert told(server.say(*endless))[0] == 413
    asking = HEAD + b"Expect: 100-continue\r\nContent-Length: 20000000\r\n\r\n"
    assert told(server.say(asking))[0] == 413


def test_expect_100_continue_gets_its_answer(server: Server) -> None:
    head, body = server.predicts(b"Expect: 100-continue\r\n").split(b"\r\n\r\n")
    with server.connect() as client:
        client.sendall(head + b"\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert told(heard(client))[0] == 200


def test_requests_piled_up_on_a_connection_are_answered_in_order_and_memory_is_bounded(
    server: Server,
) -> None:
    before = server.memory()
    with server.connect() as client:
        sender = threading.Thread(target=send, args=(client, GET, 40_000))
        sender.start()
        got, said = 0, b""
        while got < 40_000:
            said += client.recv(1 << 20)
            got += said.count(b'{"status":"ok"}')
            said = said[said.rfind(b'{"status":"ok"}') + 15 :] if b"}" in said else said
        sender.join()
    assert got == 40_000
    assert server.memory() < before + 30


def test_who_leaves_before_the_answers_are_read_is_counted_and_fills_no_log(
    server: Server,
) -> None:
    """The server's own end says that its log has no traceback."""
    counted = server.metric("mlops_requests_total", 499)
    with server.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        send(client, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 10_000)
        time.sleep(1)  # until no answer has room on its way
    end = time.monotonic() + 10
    while server.metric("mlops_requests_total", 499) == counted and time.monotonic() < end:
        time.sleep(0.05)
    assert server.metric("mlops_requests_total", 499) == counted + 1


def test_what_is_no_http_after_a_request_comes_after_its_answer(server: Server) -> None:
    asked = server.predicts().replace(b"Connection: close\r\n", b"")
    said = server.say(asked * 3 + b"nonsense\r\n\r\n")
    statuses = [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 200, 200, 400]


@pytest.mark.parametrize("length", [10, 5000])
def test_a_body_that_comes_behind_an_earlier_request_is_read(server: Server, length: int) -> None:
    body = b" " * length
    behind = GET + b"GET /readyz HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length + body
    last = b"GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n"
    said = server.say(behind + last)
    assert [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]] == [200, 200, 404]


def test_an_upgrade_is_answered_as_a_plain_request_and_the_last(server: Server) -> None:
    for kind in (b"websocket", b"h2c"):
        asked = server.predicts(b"Upgrade: %b\r\nConnection: Upgrade\r\n" % kind)
        status, headers, _ = told(server.say(asked.replace(b"Connection: close\r\n", b"")))
        assert (status, headers["connection"]) == (200, "close")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"nonsense\r\n\r\n", 400),
        (HEAD + b"Connection: close\r\nContent-Length: 1\r\n\r\n{", 400),
        (b"GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n", 404),
        (b"PUT /v1/predict HTTP/1.1\r\nConnection: close\r\n\r\n", 405),
        (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}", 422),
    ],
)
def test_what_is_refused_is_counted_by_its_status(server: Server, sent: bytes, code: int) -> None:
    before = server.metric("mlops_requests_total", code)
    assert told(server.say(sent))[0] == code
    assert server.metric("mlops_requests_total", code) == before + 1


def test_pages_are_not_counted(server: Server) -> None:
    before = server.metric("mlops_requests_total", 200)
    server.healthy()
    assert server.metric("mlops_requests_total", 200) == before
    assert server.metric("mlops_connections") == 1


JUNK = b"[" + b"[]," * 5_000_000 + b"[]]"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"z":' + JUNK + b"}", 422),
        (b'{"origin":"JFK","distance":100,"z":' + JUNK + b"}", 200),
        (b'{"origin":"JFK","distance":100,"temp":' + JUNK + b"}", 422),
        (b'{"origin":"JFK","distance":' + b"9" * 15_000_000 + b"}", 400),
        (b'{"origin":"JFK","distance":1,"carrier":"' + b"\\u0061" * 2_500_000 + b'"}', 200),
        (b'{"origin":"JFK","distance":1,' + b'"x":1,' * 2_500_000 + b'"y":1}', 413),
        (b"[" + b"{}," * 5_000_000 + b"{}]", 413),
        (JUNK, 422),
        (b"[" * 16_000_000, 422),
        (b'{"temp":' * 2_000_000, 413),
    ],
    ids=["z", "beside", "under", "digits", "text", "keys", "events", "lists", "deep", "nested"],
)
def test_a_body_that_is_dear_to_decode_stops_nobody(
    server: Server, body: bytes, status: int
) -> None:
    before = server.memory()
    said: list[bytes] = []
    head = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    client = threading.Thread(target=lambda: said.append(server.say(head, body)))
    client.start()
    waited = [server.healthy()]
    while client.is_alive():
        waited.append(server.healthy())
    assert told(said[0])[0] == status
    assert max(waited) < 1.5  # 3.7 s when all was built
    assert server.memory() < before + 150


INFER = b"POST /v2/models/delays/infer HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ((b"X-Request-Id: mine\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",), 431),
        ((b"X-Request-Id: mine\r\nContent-Length: 999999999\r\n\r\n",), 413),
        ((b"X-Request-Id: mine\r\nA: b\r\nno header\r\n\r\n",), 400),
        ((b"X-Request-Id: mine\r\nContent-Length: 9\r\n\r\n",), 408),
    ],
)
def test_what_is_refused_below_the_routes_has_an_id_and_its_protocol_s_form(
    server: Server, sent: tuple[bytes, ...], status: int
) -> None:
    for head, own in ((INFER, True), (HEAD, False)):
        found, headers, content = told(server.say(head, *sent))
        assert found == status
        assert headers["x-request-id"] == "mine"
        error = content["error"]
        assert isinstance(error, str) if own else set(error) == {"field", "message", "row"}


def test_what_is_no_http_has_an_id_of_its_own_also_behind_another_s(server: Server) -> None:
    event = server.predicts(b"X-Request-Id: mine\r\n").replace(b"Connection: close\r\n", b"")
    said = server.say(event, b"\x00\x01 no HTTP\r\n\r\n")
    first, second = (part.split(b"\r\n")[0] for part in said.split(b"x-request-id: ")[1:])
    assert (first, len(second)) == (b"mine", 32)
