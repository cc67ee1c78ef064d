"""What each trial of a search gave so far, on disk, and who may write there."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec

from mlops_cli._locks import locked
from mlops_cli.errors import EnvironmentFault
from mlops_cli.tuning.base import State, Value


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


class Steps(Protocol):
    """The steps that are done, and who does which; for any number of threads."""

    @property
    def trials(self) -> int:
        """How many trials have done a step."""

    def drawn(self, first: int, params: Sequence[dict[str, Value]]) -> list[dict[str, Value]]:
        """The parameters of the trials from number `first` on, which were drawn as `params`.

        Of several processes that carry a search on, the first to draw a trial decides.
        """

    def find(self, trial: int, until: int, params: Mapping[str, Value]) -> Step | None:
        """The step as it was done before, None where it was not, or with other parameters."""

    def take(self, trial: int, until: int) -> bool:
        """Whether this process is to do the step; False: another one does it just now."""

    def add(self, step: Step) -> Step:
        """Keep a step that was done now; the one that counts, where another did it, too."""

    def over(self, trial: int, state: State, score: float | None) -> None:
        """The trial is over, with the score of one that is complete."""

    def check(self) -> None:
        """Called amid work; raises `EnvironmentFault` where the steps can no longer be kept."""


class Journal:
    """`Steps` of one process, in a file that grows by a line a step."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._turn = threading.Lock()
        _cut_unfinished_line(file)
        lines = file.read_bytes().splitlines() if file.exists() else []
        self._steps = {(step.trial, step.until): step for step in _decoded(lines)}

    @property
    def trials(self) -> int:
        """See `Steps.trials`."""
        return len({trial for trial, _ in self._steps})

    def drawn(self, first: int, params: Sequence[dict[str, Value]]) -> list[dict[str, Value]]:
        """See `Steps.drawn`: there is no other process."""
        del first
        return list(params)

    def find(self, trial: int, until: int, params: Mapping[str, Value]) -> Step | None:
        """See `Steps.find`."""
        found = self._steps.get((trial, until))
        return found if found is not None and found.params == params else None

    def take(self, trial: int, until: int) -> bool:
        """See `Steps.take`: all are this process's."""
        del trial, until
        return True

    def add(self, step: Step) -> Step:
        """See `Steps.add`."""
        with self._turn, self._file.open("ab") as file:
            self._steps[step.trial, step.until] = step
            file.write(msgspec.json.encode(step) + b"\n")
        return step

    def over(self, trial: int, state: State, score: float | None) -> None:
        """See `Steps.over`: it follows from the steps."""

    def check(self) -> None:
        """See `Steps.check`."""


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
