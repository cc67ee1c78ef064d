"""The real server under fire: no 5xx, no wrong number, and it answers afterwards as before."""

from __future__ import annotations

import errno
import http.client
import json
import random
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import numpy as np
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bundles
from mlops_cli.expressions.values import missing_words
from running import serving
from servers import free_port

CALM = settings(deadline=None, suppress_health_check=list(HealthCheck))
CHANCE = st.integers(0, 2**64).map(random.Random)
NUMBERS = (
    *(
        "0",
        "-0",
        "0.0",
        "-0.0",
        "1",
        "-1",
        "1.0",
        "3e2",
        "3E+2",
        "1e-400",
        "1e308",
        "1e999",
        "-1e999",
    ),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "01",
        "+1",
        "1.",
        ".5",
        "0x10",
        "1_000",
        "1e",
        "-",
        "--1",
    ),
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *(
        "1e18",
        "1e19",
        "9007199254740992.0",
        "9007199254740994.0",
        "1" * 400,
        "0." + "3" * 400,
        "9" * 5000,
    ),
    *(
        "3.4028235e38",
        "3.4028236e38",
        "-3e38",
        "-1e39",
        "1e-46",
        "4.9e-324",
        "123456789.123456789",
        "1.5",
        "100.0",
    ),
)
TEXTS = (
    *(
        '""',
        '"AA"',
        '"aa"',
        '"JFK"',
        '"JFK "',
        '"\\u004aFK"',
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '"Zürich:Air"',
    ),
    *('"2013-01-01"', '"2013-02-29"', '"2012-02-29"', '"20130101"', '"2013-W01-1"', '"2013-1-1"'),
    *('"2013-01-01T10:00:00Z"', '"2013-01-01 10:00"', '"2013-01-01T10"', '"2013-01-01T23:59:60Z"'),
    *('"2013-01-01T24:00:00"', '"2013-01-01T10:00:00+02:00"', '"2013-01-01T10:00:00-23:59"', '"+"'),
    *(
        '"2013-01-01T10:00:00.123456789Z"',
        '"2013-01-01T10:00:00,5"',
        '"10000-01-01"',
        '"0000-01-01"',
    ),
    *(
        '"9999-12-31T23:59:59-01:00"',
        '"1969-12-31T23:59:59.999999Z"',
        '"true"',
        '"1"',
        '"\\u0000"',
        '"NaN"',
    ),
)
OTHERS = (
    *(
        "null",
        "true",
        "false",
        "[]",
        "{}",
        "[1]",
        '{"a": 1}',
        '{"a": 1, "a": 2}',
        "undefined",
        "None",
    ),
    *(
        "[" * 2000 + "]" * 2000,
        '{"a":' * 500 + "1" + "}" * 500,
        "[" * 100_000,
        '"open',
        "'x'",
        "\x00",
    ),
)
TYPES = {i.name: i.type for i in bundles.INPUTS}
NAMES = [*TYPES]
CLOSED = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
KEYS = (*NAMES, *NAMES, "further", "", "origin ", "Origin", "\\u006frigin", "__proto__", "a:b")


class Server:
    """A running server, what to compare with, and how it answered so far."""

    def __init__(self, port: int, sample: bundles.Sample, judge: duckdb.DuckDBPyConnection) -> None:
        self.port = port
        self.sample = sample
        self.booster = xgboost.Booster({"nthread": 1}, model_file=str(sample.path / "model.ubj"))
        self.judge = judge
        self.statuses: Counter[int] = Counter()

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Status and answer, which is JSON whatever was asked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/v1/predict", body, dict(headers or {}))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self.statuses[answer.status] += 1
        return answer.status, json.loads(content)

    def raw(self, sent: bytes) -> bytes:
        """All that the server says to bytes, until it or this client has nothing to say.

        A server that has heard enough closes, at whatever this client is about then.
        """
        said = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
            try:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                while part := client.recv(65536):
                    said += part
            except OSError as e:
                if e.errno not in CLOSED:
                    raise
        return said

    def expected(self, event: Mapping[str, Any]) -> float:
        """Training's own probability of an event whose values are of their types."""
        x = bundles.matrix([{n: self._value(n, event.get(n)) for n in NAMES}])
        types = ["c" if f.kind == "category" else "q" for f in bundles.FEATURES]
        data = xgboost.DMatrix(x, feature_types=types, enable_categorical=True, nthread=1)
        return float(self.booster.predict(data)[0])

    def _value(self, name: str, value: Any) -> Any:
        """As DuckDB reads it from a file: days and times as their own ISO 8601 text, in UTC."""
        if isinstance(value, str) and value in missing_words(TYPES[name]):
            return None
        if name == "wet" and isinstance(value, str):  # "yes"
            return self.judge.execute("select ? :: boolean", [value]).fetchone()[0]
        if value is None or name not in ("day", "at"):
            return value
        cast = "? :: date" if name == "day" else "(? :: timestamptz at time zone 'UTC')"
        found = self.judge.execute(f"select {cast}", [value]).fetchone()[0]
        return found.isoformat()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fuzzed")
    sample = bundles.write(folder / "bundle", "binary")
    port = free_port()
    with serving(sample.path, "--port", str(port)) as process, duckdb.connect() as judge:
        judge.execute("set TimeZone = 'UTC'")
        found = Server(port, sample, judge)
        yield found
        assert process.poll() is None
        process.terminate()
        assert process.wait(timeout=40) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert not [status for status in found.statuses if status >= 500]


def hold(server: Server, body: bytes, headers: Mapping[str, str] | None = None) -> int:
    """Hold one answer to what its status means; a number must be training's own."""
    status, answer = server.post(body, headers)
    assert status in (200, 400, 413, 422), (status, body[:300])
    if status != 200:
        assert set(answer["error"]) == {"field", "message", "row"}
        assert 0 < len(answer["error"]["message"]) < 500
        return status
    read = json.loads(body.decode("utf-8-sig"), object_pairs_hook=tuple, parse_int=_as_int)
    events = [_once(event) for event in (read if isinstance(read, list) else [read])]
    assert len(answer["predictions"]) == len(events)
    for event, prediction in zip(events, answer["predictions"], strict=True):
        want = server.expected(event)
        assert abs(prediction["probability"] - want) <= 1e-6 + 1e-5 * abs(want), event
        assert prediction["label"] is (prediction["probability"] >= 0.5)
    return status


def _as_int(digits: str) -> int | str:
    return int(digits) if len(digits) < 1000 else digits  # too many for Python, under any key


def _once(pairs: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a key stood twice, and a number was given"
    return dict(pairs)


def written(server: Server, chance: random.Random) -> str:
    """An event as JSON text, most values of it right, keys in any order."""
    event = dict(chance.choice(server.sample.events))
    cells = {json.dumps(k): json.dumps(v) for k, v in event.items()}
    for _ in range(chance.choice([0, 0, 1, 1, 2, 3])):
        key = chance.choice(KEYS)
        cells[f'"{key}"'] = chance.choice(chance.choice([NUMBERS, TEXTS, OTHERS]))
    for key in list(cells):
        if chance.random() < 0.1:
            del cells[key]
    items = list(cells.items())
    chance.shuffle(items)
    if chance.random() < 0.05:
        items += chance.sample(items, min(1, len(items)))
    return "{" + chance.choice([", ", ",", " ,\n\t"]).join(f"{k}: {v}" for k, v in items) + "}"


def body(server: Server, chance: random.Random) -> bytes:
    """A request's body, from valid over nearly valid to noise."""
    text = written(server, chance)
    if chance.random() < 0.3:
        text = (
            "["
            + ",".join([text, *(written(server, chance) for _ in range(chance.randint(0, 4)))])
            + "]"
        )
    made = text.encode(
        chance.choice(["utf-8"] * 20 + ["utf-16", "utf-8-sig", "latin-1"]), "replace"
    )
    match chance.randrange(12):
        case 0:
            return made[: chance.randrange(len(made) + 1)]
        case 1:
            at = chance.randrange(len(made))
            return made[:at] + bytes([chance.randrange(256)]) + made[at + chance.randint(0, 2) :]
        case 2:
            return made + chance.choice([b"}", b"]", b" {}", b"\x00", b",", made[:20]])
        case 3:
            return chance.randbytes(chance.randint(0, 60))
    return made


@settings(CALM, max_examples=300)
@given(CHANCE)
def test_any_body_gets_training_s_number_or_a_reason(server: Server, chance: random.Random) -> None:
    hold(server, body(server, chance))


@pytest.mark.slow
@settings(CALM, max_examples=15_000)
@given(CHANCE)
def test_any_body_at_length(server: Server, chance: random.Random) -> None:
    hold(server, body(server, chance))


HEADERS = (
    *(
        "Content-Length: 0",
        "Content-Length: -1",
        "Content-Length: x",
        "Content-Length: 99999999999999999999",
    ),
    *(
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length:",
        "content-length: 5 5",
    ),
    *(
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
    ),
    *(
        "Content-Type: text/plain",
        "Content-Encoding: gzip",
        "Expect: 100-continue",
        "Connection: close",
    ),
    *(
        "Connection: Upgrade\r\nUpgrade: websocket",
        "X-Request-Id: ../../x\r\nY: z",
        "X: " + "y" * 70_000,
    ),
    *(
        "Host: a\r\nHost: b",
        "no colon",
        " folded",
        "Ünï: cödé",
        "A\x00: b",
        "\r\n\r\nGET / HTTP/1.1",
    ),
)
LINES = (
    "POST /v1/predict HTTP/1.1",
    "POST /v1/predict HTTP/1.0",
    "POST /v1/predict",
    "post /v1/predict HTTP/1.1",
)
LINES += (
    "PUT /v1/predict HTTP/1.1",
    "GET /v1/predict?a=%zz HTTP/1.1",
    "POST //v1/predict HTTP/1.1",
)
LINES += (
    "POST /v1/../v1/predict HTTP/1.1",
    "POST http://x/v1/predict HTTP/1.1",
    "POST /v1/predict HTTP/9.9",
)
LINES += ("GET /" + "a" * 70_000 + " HTTP/1.1", "\x16\x03\x01\x02\x00", "PRI * HTTP/2.0", "")


@settings(CALM, max_examples=80)
@given(CHANCE)
def test_any_bytes_on_the_wire_never_make_it_fail(server: Server, chance: random.Random) -> None:
    content = body(server, chance)
    given = chance.sample(HEADERS, chance.randint(0, 2))
    if chance.random() < 0.6:
        given.append(f"Content-Length: {max(0, len(content) + chance.choice([0, 0, 0, -3, 7]))}")
    head = "\r\n".join([chance.choice(LINES), "Host: x", *given]) + "\r\n\r\n"
    said = server.raw(head.encode("utf-8") + content)
    statuses = [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]
    assert all(100 <= status < 500 or status == 501 for status in statuses), said[:300]
    assert hold(server, json.dumps(server.sample.events[chance.randrange(240)]).encode()) == 200


def test_a_long_list_is_answered_row_by_row(server: Server) -> None:
    chance = random.Random(3)
    rows = [dict(chance.sample(list(e.items()), len(e))) for e in server.sample.events] * 40
    status, answer = server.post(json.dumps(rows).encode())
    assert status == 200
    got = np.array([p["probability"] for p in answer["predictions"]])
    np.testing.assert_allclose(got, np.tile(server.sample.raw, 40), rtol=1e-5, atol=1e-6)
    rows[7_777] = {**rows[7_777], "temp": "warm"}
    status, answer = server.post(json.dumps(rows).encode())
    assert (status, answer["error"]["field"], answer["error"]["row"]) == (422, "temp", 7_777)


def test_the_reference_is_right(server: Server) -> None:
    for event, raw in zip(server.sample.events, server.sample.raw, strict=True):
        assert abs(server.expected(event) - raw) < 1e-6
