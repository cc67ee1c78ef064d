"""A head that is known is answered as one that is parsed, and nothing else is taken for known."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from uvicorn import Config
from uvicorn.server import ServerState

import bundles
from limited import HEAD as START
from limited import limited, told
from mlops_cli.serving.app import App
from mlops_cli.serving.auth import Key, Keys, format_keys
from mlops_cli.serving.connection import Connection
from mlops_cli.serving.known_heads import MOST, Head, KnownHeads
from mlops_cli.serving.micro_batch import MicroBatcher
from mlops_cli.serving.requests import RequestError
from running import client_of

HEAD = b"POST /v1/predict HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n"
HEADERS = [(b"host", b"a"), (b"content-length", b"2")]


@pytest.fixture
def known() -> KnownHeads:
    heads = KnownHeads()
    heads.learn(HEAD + b"{}", HEADERS, 2)
    return heads


def test_the_same_head_with_another_body(known: KnownHeads) -> None:
    found = known.parse(HEAD + b"[]")
    assert found is not None
    assert (found[0].headers, found[1]) == (HEADERS, b"[]")


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"{",  # the rest is still to come
        HEAD + b"{}" + HEAD,  # another request behind it
        HEAD.replace(b"host: a", b"host: b") + b"{}",
        HEAD.replace(b"POST", b"post") + b"{}",
        b"\r\n" + HEAD + b"{}",
        b"",
        b"\r\n\r\n",
    ],
)
def test_what_is_to_be_parsed(known: KnownHeads, data: bytes) -> None:
    assert known.parse(data) is None


@pytest.mark.parametrize(
    ("data", "headers", "length"),
    [
        (HEAD.replace(b"/v1/predict", b"/v1/explain") + b"{}", HEADERS, 2),
        (HEAD + b"{}" + HEAD, HEADERS, 2),
        (HEAD.replace(b"host: a", b"host: " + b"a" * 5000) + b"{}", HEADERS, 2),
        (HEAD + b"{}", [*HEADERS, (b"x-request-id", b"1")], 2),
        (HEAD + b"{}", [*HEADERS, (b"transfer-encoding", b"chunked")], 2),
        (HEAD + b"{}", [*HEADERS, (b"expect", b"100-continue")], 2),
    ],
)
def test_what_is_not_kept(data: bytes, headers: list[tuple[bytes, bytes]], length: int) -> None:
    heads = KnownHeads()
    heads.learn(data, headers, length)
    assert heads.parse(data) is None


def test_no_client_fills_the_memory_with_heads(known: KnownHeads) -> None:
    for i in range(3 * MOST):
        known.learn(HEAD.replace(b"a", b"%d" % i) + b"{}", HEADERS, 2)
    assert len(known._known) <= MOST


def _answer(client: socket.socket) -> tuple[int, dict[str, str], Any]:
    said = b""
    while True:
        said += client.recv(65536)
        head, found, body = said.partition(b"\r\n\r\n")
        if found and len(body) >= int(head.lower().partition(b"content-length: ")[2].split()[0]):
            return told(said)


def test_on_one_connection_every_request_is_taken_as_the_first(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file, token = tmp_path / "keys", b"a" * 43
    key = Key("web", sha256(token).hexdigest(), ("predict",), datetime.now(UTC))
    file.write_bytes(format_keys([key]))
    monkeypatch.setenv("MLOPS_SERVE_KEYS", str(file))
    with limited(binary, monkeypatch) as server, server.connect() as client:
        event = server.event
        length = b"content-length: %d\r\n\r\n" % len(event)
        head = START + b"authorization: Bearer " + token + b"\r\n" + length
        seen, ids = [], set()
        for sent in (event, event, b"[" * len(event), b"{" * len(event), event):
            client.sendall(head + sent)
            status, headers, _ = _answer(client)
            seen.append(status)
            ids.add(headers["x-request-id"])
        assert seen == [200, 200, 422, 400, 200]
        assert len(ids) == len(seen)
        client.sendall(head + event[:5])  # known, and not whole
        time.sleep(0.2)
        client.sendall(event[5:])
        assert _answer(client)[0] == 200
        client.sendall((head + event) * 2)  # and more than one
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        file.write_bytes(b"")
        deadline = time.monotonic() + 20
        while seen[-1] != 401 and time.monotonic() < deadline:
            with server.connect() as other:
                other.sendall(head + event)
                seen.append(_answer(other)[0])
        assert seen[-1] == 401
        assert server.metric("mlops_requests_total", 200) >= 5


def test_a_key_that_was_good_is_looked_at_again_when_it_ends(tmp_path: Path) -> None:
    file, token = tmp_path / "keys", b"a" * 43
    now = datetime.now(UTC)
    ends = now + timedelta(hours=1)
    key = Key("web", sha256(token).hexdigest(), ("predict",), now, ends)
    file.write_bytes(format_keys([key]))
    keys = Keys(file)
    head = Head([(b"authorization", b"Bearer " + token)], 2)
    assert head.key(keys, now.timestamp()) == "web"
    others = [Key("other", key.sha256, ("predict",), now, now - timedelta(hours=1))]
    file.write_bytes(format_keys(others))
    assert head.key(keys, now.timestamp()) == "web"  # nobody has looked at the file
    keys.look()
    with pytest.raises(RequestError, match="the key other has expired"):
        head.key(keys, now.timestamp())
    assert keys.until("other") < now.timestamp() < keys.until("nobody")


def test_a_request_that_comes_before_the_answer_waits_its_turn(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model answers late, as where a cache is asked first."""
    work = MicroBatcher._work
    monkeypatch.setattr(
        MicroBatcher, "_work", lambda *a: asyncio.get_running_loop().call_later(0.1, work, *a)
    )
    app = client_of(binary.path).app
    events = [msgspec.json.encode(event) for event in binary.events[:4]]
    assert asyncio.run(_answers(app, events)) == [float(p) for p in binary.raw[:4]]
    assert app.admission.in_flight == 0


async def _answers(app: App, events: list[bytes]) -> list[float]:
    """What is said on one connection, where each request but the first comes before an answer."""
    config = Config(app, ws="none", lifespan="off", log_config=None)
    config.load()

    def connection() -> Connection:
        return Connection(
            config, ServerState(), {}, admission=app.admission, one_events=app.one_events
        )

    def request(event: bytes) -> bytes:
        return START + b"content-length: %d\r\n\r\n" % len(event) + event

    here, there = socket.socketpair()
    there.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(connection, there)
    reader, writer = await asyncio.open_connection(sock=here)
    answers = []
    for event in events:  # its head becomes known
        writer.write(request(event))
        answers.append(await _number(reader))
    for event in events:
        writer.write(request(event))
        await asyncio.sleep(0.01)  # the server reads it alone
    again = [await _number(reader) for _ in events]
    assert again == answers
    writer.close()
    return again


async def _number(reader: asyncio.StreamReader) -> float:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    size = int(head.lower().partition(b"content-length: ")[2].split()[0])
    answer = msgspec.json.decode(await asyncio.wait_for(reader.readexactly(size), 5))
    return float(answer["predictions"][0]["probability"])
