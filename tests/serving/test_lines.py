"""Lines of requests of one event are made of many at a time: each is the one that it would be."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import bundles
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.serving import segments
from mlops_cli.serving.entry import vector
from mlops_cli.serving.log import TOGETHER, PredictionLog
from mlops_cli.serving.micro_batch import Predicted
from mlops_cli.serving.predictor import Predictor, open_predictor
from mlops_cli.serving.settings import Log, Names

MANY = 2 * TOGETHER + 7


@pytest.fixture
def bundle(binary: bundles.Sample) -> Bundle:
    return open_bundle(binary.path)


def _logged(folder: Path) -> list[dict[str, Any]]:
    files = segments.closed(folder)
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def _written(log: PredictionLog, bundle: Bundle, predictor: Predictor, *, exact: bool) -> None:
    """A line for each of `MANY` events, and, of every tenth, one made by itself before it."""
    golden = list(bundle.golden())
    for i in range(MANY):
        event = dict(golden[i % len(golden)].inputs)
        body, row, named = json.dumps(event).encode(), predictor.row(event), b"r%d" % i
        matrix = predictor.matrix([row])
        said = Predicted(predictor, matrix, predictor.numbers(matrix))
        scheme = log.scheme(bundle, "champion")
        if i % 10 == 0:
            entry = log.begin(bundle, b"alone-" + named, "ours", "champion")
            assert entry is not None
            entry.asked((event,), (body,))
            entry.answered((vector(row),), said.contents)
            entry.end(0.0015)
        log.answered((scheme, 1e9 + i / 4, named, "ours", event, body, exact), said, 0, 0.0015)


@pytest.mark.parametrize("settings", [Log(), Log(leave_out=Names(("distance",)))])
@pytest.mark.parametrize("exact", [True, False])
def test_each_is_as_if_it_were_made_alone_and_none_is_lost(
    bundle: Bundle, tmp_path: Path, settings: Log, exact: bool
) -> None:
    predictor, counted = open_predictor(bundle), [0, 0]

    def tell(written: int, dropped: int) -> None:
        counted[:] = counted[0] + written, counted[1] + dropped

    async def work() -> None:
        log = PredictionLog(tmp_path, settings, tell)
        _written(log, bundle, predictor, exact=exact)
        log.close()

    asyncio.run(work())
    lines = {line["request_id"]: line for line in _logged(tmp_path)}
    assert [name for name in lines if name[0] == "r"] == [f"r{i}" for i in range(MANY)]
    assert counted == [MANY + len(range(0, MANY, 10)), 0]
    for i in range(0, MANY, 10):
        one, other = lines[f"alone-r{i}"], lines[f"r{i}"]
        assert list(one) == list(other)
        known = {"time", "request_id"}
        assert {k: v for k, v in one.items() if k not in known} == {
            k: v for k, v in other.items() if k not in known
        }
    assert lines["r5"]["time"] == "2001-09-09T01:46:41.250000Z"
    assert lines["r8"]["time"] == "2001-09-09T01:46:42.000000Z"
