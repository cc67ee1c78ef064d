"""The prediction log: what a line holds, and that nothing else does."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from array import array
from pathlib import Path
from typing import Any

import msgspec
import pytest

import bundles
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.serving import segments
from mlops_cli.serving.app import App
from mlops_cli.serving.labels import LabelLog
from mlops_cli.serving.log import PredictionLog
from mlops_cli.serving.logs import Logs
from mlops_cli.serving.predictor import Predictor, open_predictor
from mlops_cli.serving.served import Served
from mlops_cli.serving.settings import Log, Names
from running import Client

FIELDS = [
    "time", "request_id", "row", "id", "model", "version", "variant", "key", "inputs", "features",
    "prediction", "ms",
]  # fmt: skip


class Logged:
    """An application with a log, and the lines that it wrote."""

    def __init__(self, bundle: Bundle, folder: Path, *, secret: bytes | None = None, **log: Any):
        self.bundle, self.folder = bundle, folder
        self.counted = [0, 0]
        self.predictor = open_predictor(bundle)
        self._secret, self._settings = secret, Log(**log)

    def _count(self, written: int, dropped: int) -> None:
        self.counted = [self.counted[0] + written, self.counted[1] + dropped]

    def ask(self, *bodies: Any, raw: bytes | None = None) -> list[dict[str, Any]]:
        """Ask for each body; returns the answers."""

        async def work() -> list[dict[str, Any]]:
            log = PredictionLog(self.folder, self._settings, self._count, secret=self._secret)
            logs = Logs(log, LabelLog(self.folder, self._settings))
            client = Client(App(self.bundle, self.predictor, logs=logs))
            texts = [json.dumps(body).encode() for body in bodies] if raw is None else [raw]
            said = [await client.ask("POST", "/v1/predict", text) for text in texts]
            log.close()
            return [json.loads(text) for _, _, text in said]

        return asyncio.run(work())

    def lines(self) -> list[dict[str, Any]]:
        """What stands in the closed segments."""
        files = segments.closed(self.folder)
        return [json.loads(x) for file in files for x in file.read_bytes().splitlines()]


@pytest.fixture
def bundle(binary: bundles.Sample) -> Bundle:
    return open_bundle(binary.path)


def _with(bundle: Bundle, **fields: Any) -> Bundle:
    manifest = msgspec.structs.replace(bundle.manifest, **fields)
    changed = object.__new__(Bundle)
    for name in Bundle.__dataclass_fields__:
        object.__setattr__(changed, name, getattr(bundle, name))
    object.__setattr__(changed, "manifest", manifest)
    return changed


def _event(bundle: Bundle) -> dict[str, Any]:
    return dict(next(bundle.golden()).inputs)


def test_a_line_holds_what_was_asked_and_what_was_said(bundle: Bundle, tmp_path: Path) -> None:
    logged = Logged(bundle, tmp_path)
    event = _event(bundle)
    (answer,) = logged.ask(event)
    (line,) = logged.lines()
    assert list(line) == FIELDS
    assert line["request_id"] == answer["request_id"]
    assert (line["row"], line["variant"], line["key"], line["id"]) == (0, "champion", None, {})
    assert (line["model"], line["version"]) == (answer["model"], answer["version"])
    assert line["inputs"] == event
    assert line["prediction"] == answer["predictions"][0]
    row = logged.predictor.row(event)
    assert line["features"] == hashlib.sha256(array("f", row)).hexdigest()
    assert line["ms"] > 0
    assert line["time"].endswith("Z")
    assert logged.counted == [1, 0]


def test_each_row_of_a_list_is_a_line_with_the_features_of_the_row_alone(
    bundle: Bundle, tmp_path: Path
) -> None:
    events = [dict(row.inputs) for row in bundle.golden()] * 5
    assert len(events) > 1000  # more than one turn of the loop
    many, one = Logged(bundle, tmp_path / "many"), Logged(bundle, tmp_path / "one")
    (answer,) = many.ask(events)
    lines = many.lines()
    assert [line["row"] for line in lines] == list(range(len(events)))
    assert {line["request_id"] for line in lines} == {answer["request_id"]}
    assert {line["ms"] for line in lines} == {lines[0]["ms"]}
    assert [line["prediction"] for line in lines] == answer["predictions"]
    one.ask(*events[:50])
    assert [x["features"] for x in one.lines()] == [x["features"] for x in lines[:50]]


def test_a_line_s_variant_is_the_one_that_is_counted(
    bundle: Bundle, tmp_path: Path, other: bundles.Sample
) -> None:
    candidate = open_bundle(other.path)

    async def work() -> bytes:
        log = PredictionLog(tmp_path, Log(), lambda *_: None)
        app = App(bundle, open_predictor(bundle), logs=Logs(log, LabelLog(tmp_path, Log())))
        app.versions.add(Served(candidate, open_predictor(candidate)))
        client, body = Client(app), json.dumps(_event(bundle)).encode()
        for version in (bundle.version, candidate.version):
            path = f"/v1/models/delays/versions/{version}/predict"
            assert (await client.ask("POST", path, body))[0] == 200
        app.versions.make_default(candidate.version)
        await client.ask("POST", "/v1/predict", body)
        log.close()
        return (await client.ask("GET", "/metrics"))[2]

    metrics = asyncio.run(work()).decode()
    (file,) = segments.closed(tmp_path)
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert [(x["version"], x["variant"]) for x in lines] == [
        (bundle.version, "champion"),
        (candidate.version, "candidate"),
        (candidate.version, "champion"),
    ]
    for line in lines:
        labels = f'code="200",variant="{line["variant"]}",version="{line["version"]}"'
        assert f"mlops_requests_total{{{labels}}} 1\n" in metrics


def test_what_was_refused_is_no_line(bundle: Bundle, tmp_path: Path) -> None:
    logged = Logged(bundle, tmp_path)
    good = _event(bundle)
    answers = logged.ask({"nothing": 1}, [good] * 600 + [{"nothing": 1}], good)
    assert [*answers[0], *answers[1]] == ["error", "error"]
    assert [line["request_id"] for line in logged.lines()] == [answers[2]["request_id"]]


def test_a_request_that_the_model_failed_is_a_line_with_the_kind_of_the_fault(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(Predictor, "numbers", fails)
    logged = Logged(bundle, tmp_path)
    event = _event(bundle)
    logged.ask(event, [event, event])
    lines = logged.lines()
    assert [(x["row"], x["prediction"], x["error"]) for x in lines] == [
        (row, None, "ZeroDivisionError") for row in (0, 0, 1)
    ]
    assert {json.dumps(line["inputs"]) for line in lines} == {json.dumps(event)}
    assert lines[0]["ms"] > 0


def test_columns_are_kept_left_out_or_hashed_as_told(bundle: Bundle, tmp_path: Path) -> None:
    event = _event(bundle)
    c = next(i.name for i in bundle.manifest.inputs if i.nullable)
    a, b = [i.name for i in bundle.manifest.inputs if event[i.name] is not None and i.name != c][:2]
    kept = Logged(bundle, tmp_path / "kept", columns=Names((a, b)), leave_out=Names((b,)))
    kept.ask(event)
    assert kept.lines()[0]["inputs"] == {a: event[a]}
    text = json.dumps(event[a]).encode()
    hashed = Logged(bundle, tmp_path / "hashed", hash=Names((a, c)), leave_out=Names((b,)))
    hashed.ask(event | {c: None})
    found = hashed.lines()[0]["inputs"]
    assert found[a] == f"sha256:{hashlib.sha256(text).hexdigest()}"
    assert found[c] is None
    assert b not in found
    secret = Logged(bundle, tmp_path / "secret", secret=b"s", hash=Names((a,)))
    secret.ask(event)
    digest = hmac.new(b"s", text, "sha256").hexdigest()
    assert secret.lines()[0]["inputs"] == event | {a: f"hmac-sha256:{digest}"}


def test_a_sensitive_column_is_left_out_unless_it_is_asked_for(
    bundle: Bundle, tmp_path: Path
) -> None:
    event = _event(bundle)
    a, b = list(event)[:2]
    private = _with(bundle, sensitive=(a,))
    for name, settings, keys in (
        ("default", {}, set(event) - {a}),
        ("named", {"columns": Names((a, b))}, {a, b}),
        ("hashed", {"hash": Names((a,))}, set(event)),
        ("out", {"columns": Names((a, b)), "leave_out": Names((a,))}, {b}),
    ):
        logged = Logged(private, tmp_path / name, **settings)
        logged.ask(event)
        assert set(logged.lines()[0]["inputs"]) == keys, name


def test_the_columns_of_an_identity_are_taken_from_the_request(
    bundle: Bundle, tmp_path: Path
) -> None:
    event = _event(bundle)
    owned = _with(bundle, id=("customer", "order", "card"), sensitive=("card",))
    logged = Logged(owned, tmp_path, hash=Names(("order",)))
    more = {"customer": "c1", "order": 7, "card": "4111", "other": {"customer": "x"}}
    logged.ask(event | more, [event | {"customer": ["no", "scalar"]}, event])
    lines = logged.lines()
    digest = f"sha256:{hashlib.sha256(b'7').hexdigest()}"
    assert [line["id"] for line in lines] == [{"customer": "c1", "order": digest}, {}, {}]
    assert {json.dumps(line["inputs"]) for line in lines} == {json.dumps(event)}


def test_a_sample_is_of_requests_and_the_same_on_every_server(
    bundle: Bundle, tmp_path: Path
) -> None:
    event = _event(bundle)

    def ids(name: str, share: float) -> list[str]:
        async def work() -> None:
            settings = Log(sample=share)
            log = PredictionLog(tmp_path / name, settings, lambda *_: None)
            logs = Logs(log, LabelLog(tmp_path / name, settings))
            client = Client(App(bundle, open_predictor(bundle), logs=logs))
            for i in range(400):
                head = [(b"x-request-id", b"r%d" % i)]
                await client.ask("POST", "/v1/predict", json.dumps(event).encode(), head)
            log.close()

        asyncio.run(work())
        files = segments.closed(tmp_path / name)
        return [json.loads(x)["request_id"] for f in files for x in f.read_bytes().splitlines()]

    one, other = ids("one", 0.3), ids("other", 0.3)
    assert one == other
    assert 80 < len(one) < 160  # 400 of 0.3: 4.4 standard deviations
    assert ids("none", 0.0) == []
    assert len(ids("all", 1.0)) == 400


def test_the_open_inference_protocol_is_logged_as_the_same_event_is(
    bundle: Bundle, tmp_path: Path
) -> None:
    events = [dict(row.inputs) for row, _ in zip(bundle.golden(), range(3), strict=False)]
    kinds = {"boolean": "BOOL", "integer": "INT64", "float": "FP64"}

    def body(rows: list[dict[str, Any]]) -> bytes:
        inputs = [
            {
                "name": i.name,
                "shape": [len(rows)],
                "datatype": kinds.get(i.type, "BYTES"),
                "data": [row.get(i.name) for row in rows],
            }
            for i in bundle.manifest.inputs
        ]
        return json.dumps({"id": f"asked-{len(rows)}", "inputs": inputs}).encode()

    async def work() -> None:
        settings = Log()
        log = PredictionLog(tmp_path / "v2", settings, lambda *_: None)
        logs = Logs(log, LabelLog(tmp_path / "v2", settings))
        client = Client(App(bundle, open_predictor(bundle), logs=logs))
        for rows in (events, events[:1]):
            path = f"/v2/models/{bundle.manifest.project}/infer"
            status, _, text = await client.ask("POST", path, body(rows))
            assert status == 200, text
        log.close()

    asyncio.run(work())
    one = Logged(bundle, tmp_path / "v1")
    one.ask(events)
    wanted = one.lines()
    files = segments.closed(tmp_path / "v2")
    found = [json.loads(x) for f in files for x in f.read_bytes().splitlines()]
    assert [(x["request_id"], x["row"]) for x in found] == [
        ("asked-3", 0), ("asked-3", 1), ("asked-3", 2), ("asked-1", 0)
    ]  # fmt: skip
    for line, other in zip(found, [*wanted, wanted[0]], strict=True):
        assert line["features"] == other["features"]
        assert line["prediction"] == other["prediction"]
        assert {k: v for k, v in line["inputs"].items() if v is not None} == {
            k: v for k, v in other["inputs"].items() if v is not None
        }
