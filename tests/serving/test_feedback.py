"""`POST /v1/feedback`: labels that are on disk when they are answered."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving import segments
from mlops_cli.serving.app import App
from mlops_cli.serving.labels import LabelLog, label_text
from mlops_cli.serving.log import PredictionLog
from mlops_cli.serving.logs import Logs
from mlops_cli.serving.predictor import Predictor, open_predictor
from mlops_cli.serving.settings import Log
from running import Client


class _Model:
    def __init__(self, task: str, classes: tuple[Any, ...] | None) -> None:
        self.task, self.classes = task, classes


@pytest.fixture(scope="module")
def predictor(binary: bundles.Sample) -> Predictor:
    return open_predictor(open_bundle(binary.path))


def _feedback(
    sample: bundles.Sample, predictor: Predictor, folder: Path, *bodies: Any
) -> list[tuple[int, Any]]:
    """Status and content of each answer; then the segments are closed."""

    async def work() -> list[tuple[int, Any]]:
        settings = Log()
        logs = Logs(PredictionLog(folder, settings, lambda *_: None), LabelLog(folder, settings))
        client = Client(App(open_bundle(sample.path), predictor, logs=logs))
        texts = [b if isinstance(b, bytes) else json.dumps(b).encode() for b in bodies]
        said = [await client.ask("POST", "/v1/feedback", text) for text in texts]
        logs.close()
        return [(status, json.loads(text)) for status, _, text in said]

    return asyncio.run(work())


def _labels(folder: Path) -> list[dict[str, Any]]:
    files = [f for f in segments.closed(folder) if segments.kind_of(f.name) == segments.LABELS]
    return [json.loads(x) for f in files for x in f.read_bytes().splitlines()]


def test_one_label_or_a_list_is_kept_with_its_time(
    binary: bundles.Sample, predictor: Predictor, tmp_path: Path
) -> None:
    answers = _feedback(
        binary,
        predictor,
        tmp_path,
        {"request_id": "a", "label": True},
        [
            {"request_id": "b", "label": False, "row": 2, "time": "2026-03-01T12:00:00+02:00"},
            {"request_id": "b", "label": "true"},
        ],
    )
    assert answers == [(200, {"labels": 1}), (200, {"labels": 2})]
    first, second, third = _labels(tmp_path)
    assert (first["request_id"], first["row"], first["label"]) == ("a", None, "true")
    assert (second["row"], second["label"]) == (2, "false")
    assert datetime.fromisoformat(second["time"]) == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert third["label"] == "true"
    for line in (first, third):
        assert line["time"] == line["received"]


@pytest.mark.parametrize(
    ("body", "status", "field", "row"),
    [
        (b"{", 400, None, None),
        ({"request_id": "a"}, 422, None, None),
        ({"request_id": "", "label": True}, 422, "request_id", None),
        ({"request_id": "a", "label": None}, 422, "label", None),
        ({"request_id": "a", "label": "maybe"}, 422, "label", None),
        ({"request_id": "a", "label": True, "rows": 1}, 422, None, None),
        ([{"request_id": "a", "label": True}, {"request_id": "a", "label": 7}], 422, "label", 1),
        ([{"request_id": "a", "label": True, "row": -1}], 422, "row", 0),
        ({"request_id": "a", "label": True, "time": "2026-03-01T10:00:00"}, 422, "time", None),
        (
            {
                "request_id": "a",
                "label": True,
                "time": (datetime.now(UTC) + timedelta(days=2)).isoformat(),
            },
            422,
            "time",
            None,
        ),
        ([], 422, None, None),
        ("text", 422, None, None),
    ],
)
def test_what_is_no_label_is_refused_whole(
    binary: bundles.Sample,
    predictor: Predictor,
    tmp_path: Path,
    body: Any,
    status: int,
    field: str | None,
    row: int | None,
) -> None:
    ((found, answer),) = _feedback(binary, predictor, tmp_path, body)
    assert found == status, answer
    assert (answer["error"]["field"], answer["error"]["row"]) == (field, row)
    assert _labels(tmp_path) == []


def test_a_label_that_no_disk_takes_is_no_success(
    binary: bundles.Sample, predictor: Predictor, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    folder.write_text("a file where the folder should be")
    ((status, answer),) = _feedback(binary, predictor, folder, {"request_id": "a", "label": True})
    assert status == 503
    assert "come again" in answer["error"]["message"]


def test_without_a_log_there_is_no_feedback(binary: bundles.Sample, predictor: Predictor) -> None:
    client = Client(App(open_bundle(binary.path), predictor))
    status, *_ = asyncio.run(client.ask("POST", "/v1/feedback", b'{"request_id":"a","label":1}'))
    assert status == 404


@pytest.mark.parametrize(
    ("classes", "label", "text"),
    [
        ((False, True), True, "true"),
        ((False, True), "False", "false"),
        ((False, True), 1, "true"),
        ((False, True), "0", "false"),
        ((0, 1), 1.0, "1"),
        ((-1, 1), "-1", "-1"),
        (("legit", "fraud"), "fraud", "fraud"),
        (None, 3, "3.0"),
        (None, "2.5", "2.5"),
    ],
)
def test_a_label_is_kept_as_its_class_or_number(classes: Any, label: Any, text: str) -> None:
    assert label_text(_Model("any", classes), label) == text


@pytest.mark.parametrize(
    ("classes", "label"),
    [
        ((False, True), 2),
        ((0, 1), 0.5),
        ((0, 1), True),
        (("a", "b"), "A"),
        (None, True),
        (None, "many"),
        (None, "nan"),
        (None, "9" * 400),
    ],
)
def test_what_the_model_cannot_predict_is_no_label(classes: Any, label: Any) -> None:
    with pytest.raises(ValueError, match=r"is none of the classes|is no number"):
        label_text(_Model("any", classes), label)
