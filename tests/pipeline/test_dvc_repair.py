"""A run killed while DVC wrote one of its files: the next one goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc.repo import Repo

from mlops_cli.errors import MlopsError
from mlops_cli.pipeline.dvc import reproduce

LOCK, RWLOCK = Path("dvc.lock"), Path(".dvc/tmp/rwlock")


MADE_ANEW = "moved to .mlops/unreadable/dvc.lock and made anew"


class Said:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, line: str) -> None:
        self.lines.append(line)

    def update(self, *_: object) -> None: ...


@pytest.fixture
def done(tmp_path: Path) -> Path:
    Repo.init(str(tmp_path), no_scm=True).close()
    stages = "".join(
        f"  {name}: {{cmd: 'echo {name} > {name}.txt', outs: [{name}.txt]}}\n"
        for name in ("first", "second")
    )
    (tmp_path / "dvc.yaml").write_text(f"stages:\n{stages}")
    assert reproduce(tmp_path, []) == ["first", "second"]
    return tmp_path


@pytest.mark.parametrize("share", [0, 0.02, 0.1, 0.3, 0.45, 0.5, 0.6, 0.75, 0.9, 0.99])
def test_a_lock_that_was_cut_anywhere_is_made_again(done: Path, share: float) -> None:
    whole = (done / LOCK).read_bytes()
    (done / LOCK).write_bytes(whole[: int(share * len(whole))])
    said = Said()
    reproduce(done, [], said)
    assert said.lines == ["dvc.lock was cut off while it was written: " + MADE_ANEW]
    assert sorted((done / LOCK).read_bytes().splitlines()) == sorted(whole.splitlines())
    assert reproduce(done, []) == []


@pytest.mark.parametrize("text", ["", "{", '{"write": {"a": {"pid": 1'])
def test_an_unreadable_list_of_readers_and_writers_is_begun_again(done: Path, text: str) -> None:
    (done / "first.txt").unlink()
    (done / RWLOCK).write_text(text)
    assert reproduce(done, []) == ["first"]


def test_the_marks_of_a_merge_are_the_users(done: Path) -> None:
    text = "<<<<<<< HEAD\n" + (done / LOCK).read_text()
    (done / LOCK).write_text(text)
    with pytest.raises(MlopsError, match=r"dvc\.lock"):
        reproduce(done, [])
    assert (done / LOCK).read_text() == text


def test_a_lock_that_somebody_writes_is_left_alone(done: Path) -> None:
    (done / LOCK).write_text("")
    other = Repo(str(done))
    with other.lock, pytest.raises(MlopsError):
        reproduce(done, [])
    assert (done / LOCK).read_text() == ""
    other.close()
