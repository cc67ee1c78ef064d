"""parity: training's code, `score` and a real deployment agree, or the difference is named."""

from __future__ import annotations

import http.client
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import projects
from command_line import Mlops
from mlops_cli import collect, deploy, keys, load_project, parity
from mlops_cli.actions.parity import ParityResult
from mlops_cli.errors import UsageError
from mlops_cli.scoring.parity import Pair
from servers import free_port

HOUR = '"hour": operator.attrgetter("hour"),'
PAIRS = [("training", "score"), ("training", "service"), ("score", "service")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project that has been run; nothing is deployed."""
    return projects.copy(projects.finished("parcels"), tmp_path / "p")


@contextmanager
def deployed(root: Path) -> Iterator[int]:
    """Its champion answers on this machine, on the port."""
    port = free_port()
    deploy(load_project(root), port=port)
    try:
        yield port
    finally:
        deploy(load_project(root), stop=True)


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def _names(result: ParityResult, *, equal: bool) -> list[tuple[str, str]]:
    return [(pair.first, pair.second) for pair in result.pairs if pair.equal is equal]


def _pair(result: ParityResult, first: str, second: str) -> Pair:
    return next(p for p in result.pairs if (p.first, p.second) == (first, second))


def test_without_a_service_training_and_score_are_compared(root: Path, mlops: Mlops) -> None:
    result = parity(load_project(root))
    assert (result.url, result.source, result.rows, result.features) == (None, "hold-out", 120, 5)
    assert result.equal
    assert _names(result, equal=True) == PAIRS[:1]
    said = mlops(root, "parity", "--rows", 7, code=0).out
    assert "not deployed on local: training and score are compared" in said
    assert "equal: 7 hold-out rows" in said


def test_three_ways_agree_and_a_check_is_no_traffic(root: Path) -> None:
    with deployed(root) as port:
        result = parity(load_project(root), rows=60)
        assert (result.url, result.rows) == (f"http://127.0.0.1:{port}", 60)
        assert _names(result, equal=True) == PAIRS
        assert collect(load_project(root), closing=True).rows == 0
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        body = (root / "examples/request.json").read_bytes()
        for request_id in ("first", "second"):
            connection.request("POST", "/v1/predict", body, {"X-Request-Id": request_id})
            assert connection.getresponse().read()
        connection.close()
        assert collect(load_project(root), closing=True).rows == 2
        result = parity(load_project(root))
        assert (result.source, result.rows, result.left_out) == ("recorded", 2, 0)
        assert _names(result, equal=True) == PAIRS


def test_a_line_planted_in_the_service_is_found_and_its_feature_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlops: Mlops
) -> None:
    planted = tmp_path / "planted/mlops_cli"
    shutil.copytree(projects.ROOT / "src/mlops_cli", planted)
    # No golden row is of June: the server proves itself all the same.
    line = '"hour": lambda a: a.hour + (a.month > 5),'
    _edit(planted / "expressions/kernels.py", HOUR, line)
    monkeypatch.setenv("PYTHONPATH", str(planted.parent))
    with deployed(root):
        monkeypatch.delenv("PYTHONPATH")
        result = mlops(root, "parity", "--json", code=4).result
        said = mlops(root, "parity", code=4).out
    assert not result["equal"]
    assert [(p["first"], p["second"]) for p in result["pairs"] if not p["equal"]] == PAIRS[1:]
    pair = result["pairs"][1]
    june = [n for n in range(600) if n * 6 // 600 == 5]
    assert pair["rows"] == len(june)
    assert pair["feature"]["name"] == "sent_hour"
    assert pair["feature"]["row"] in [f"row {n} of data/raw/parcels.csv" for n in june]
    assert pair["feature"]["second"] == pair["feature"]["first"] + 1
    assert "training and service differ in 100 rows" in said
    assert f"largest: feature `sent_hour`, {pair['feature']['row']}: " in said


def test_a_row_feature_that_changed_since_training_is_found(root: Path) -> None:
    _edit(root / "mlops.yaml", '"hour(sent)"', '"hour(sent) + 1"')
    result = parity(load_project(root))
    assert _names(result, equal=False) == PAIRS[:1]
    pair = _pair(result, *PAIRS[0])
    assert pair.rows == 120
    assert pair.feature is not None
    assert pair.feature.name == "sent_hour"
    assert pair.feature.first == pair.feature.second + 1


def test_a_feature_that_the_configuration_no_longer_has_is_told(root: Path, mlops: Mlops) -> None:
    _edit(root / "mlops.yaml", '    sent_hour: "hour(sent)"', "    #")
    done = mlops(root, "parity", code=2)
    assert "mlops.yaml makes no feature `sent_hour`" in done.err


def test_a_service_that_asks_for_keys_is_asked_with_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (root / "mlops.yaml").open("a") as file:
        file.write("\nserve: {keys: secrets/keys}\n")
    key = keys(load_project(root), "add", "parity", scopes=("explain",)).key
    assert key
    with deployed(root):
        with pytest.raises(UsageError, match="wants a key"):
            parity(load_project(root), rows=5)
        monkeypatch.setenv("MLOPS_API_KEY", key)
        assert _names(parity(load_project(root), rows=5), equal=True) == PAIRS
