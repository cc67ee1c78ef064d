"""What each trial of a search gave so far, on disk, and who may write there."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from mlops_cli._locks import locked
from mlops_cli.errors import EnvironmentFault
from mlops_cli.tuning.base import Value


class Step(msgspec.Struct, frozen=True):
    """A line of the journal: trial `trial` with `params`, after it was told to go on to `until`.

    `failed` is why its parameters could not be. `metrics` stand with a trial that is over.
    `seconds` is how long this step took, `ended_at` when it ended (seconds since 1970).
    """

    trial: int
    until: int
    params: dict[str, Value]
    seconds: float = 0.0
    ended_at: float | None = None
    score: float | None = None
    rounds: int | None = None
    ran: int | None = None
    ended: bool = True
    metrics: dict[str, float] = {}
    failed: str | None = None


class Journal:
    """The steps that are done, in a file that grows by a line a step; for any number of threads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._turn = threading.Lock()
        _cut_unfinished_line(file)
        lines = file.read_bytes().splitlines() if file.exists() else []
        self._steps = {(step.trial, step.until): step for step in _decoded(lines)}

    @property
    def trials(self) -> int:
        """How many trials have done a step."""
        return len({trial for trial, _ in self._steps})

    def find(self, trial: int, until: int, params: dict[str, Value]) -> Step | None:
        """The step as it was done before, None where it was not, or with other parameters."""
        found = self._steps.get((trial, until))
        return found if found is not None and found.params == params else None

    def add(self, step: Step) -> None:
        """Keep a step that was done now."""
        with self._turn, self._file.open("ab") as file:
            self._steps[step.trial, step.until] = step
            file.write(msgspec.json.encode(step) + b"\n")


@contextmanager
def held(folder: Path, *, anew: bool = False) -> Iterator[Journal]:
    """The journal in `folder`, held by this process alone until the block ends.

    The kernel lets go of it when the process dies, however it dies. A last line that a killed
    process left unfinished is cut off; `anew`, all of it is. Raises `EnvironmentFault` where
    another process holds it.
    """
    lock = folder / "lock"
    taken = EnvironmentFault(
        f"another process runs this search: it holds {lock}", hint="wait for it, or end it"
    )
    with locked(lock, otherwise=taken):
        file = folder / "journal.jsonl"
        if anew:
            file.unlink(missing_ok=True)
        yield Journal(file)


def _cut_unfinished_line(journal: Path) -> None:
    if not journal.exists():
        return
    content = journal.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with journal.open("rb+") as f:
            f.truncate(len(whole))


def _decoded(lines: Iterable[bytes]) -> Iterator[Step]:
    """The steps that can be read; what a power cut made of others is done again."""
    for line in lines:
        with suppress(msgspec.DecodeError):
            yield msgspec.json.decode(line, type=Step)
