"""Unseen predictions: what is written is what is read, and the leader's are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlops_cli.errors import DataError
from mlops_cli.tuning.oof import OOF, Leaders, OutOfFold, read_oof, to_come, write_oof


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 12)], ids=["one", "three", "twelve"])
def test_what_is_written_is_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(1)
    file = tmp_path / OOF
    file.parent.mkdir()
    said = OutOfFold(
        rows=np.array([4, 9, 2, 4, 9, 2, 8]),
        folds=np.array([0, 1, 1, 0, 1, 1, 2]),
        members=np.array([0, 0, 0, 1, 1, 1, 0]),
        predictions=draw.random(shape),
    )
    write_oof(file, said)
    read = read_oof(tmp_path)
    for name in ("rows", "folds", "members", "predictions"):
        assert np.array_equal(getattr(read, name), getattr(said, name)), name
    before = file.read_bytes()
    write_oof(file, said)
    assert file.read_bytes() == before


def test_rows_that_judge_have_their_fold() -> None:
    said = to_come([np.array([5, 3]), np.array([8])])
    assert said.rows.tolist() == [5, 3, 8]
    assert said.folds.tolist() == [0, 0, 1]
    assert said.members.tolist() == [0, 0, 0]


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and no more"])
def test_a_file_that_cannot_be_read_names_the_command(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / OOF).parent.mkdir()
        (tmp_path / OOF).write_bytes(content)
    with pytest.raises(DataError, match=OOF) as e:
        read_oof(tmp_path)
    assert e.value.hint == "mlops tune"


@pytest.mark.parametrize("greater", [True, False])
def test_the_leaders_are_known_by_their_parameters(greater: bool) -> None:
    leaders = Leaders(greater_is_better=greater)
    scores = {"a": 0.5, "b": 0.7, "c": 0.7, "d": 0.6} if greater else {"a": 3, "b": 1, "c": 1}
    for i, (name, score) in enumerate(scores.items()):
        leaders.saw({"x": name}, score, np.array([float(i)]))
    assert leaders.of({"x": "a"}) is None
    for i, name in ((1, "b"), (2, "c")):  # two that are as good as each other
        said = leaders.of({"x": name})
        assert said is not None
        assert said.tolist() == [float(i)]
