"""Run a program and say what it took; run two in turns and say by how much they differ."""

from __future__ import annotations

import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: what a program leaves behind stays below this process
_BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
_EVERY = 0.25  # seconds between two looks at the memory: a look costs some milliseconds a GB,
_SHARE = 50  # and as many times as long as it took passes before the next


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds of wall clock and of processors, peak memory in bytes, and its output.

    The peak is of the whole process tree: the largest sum of proportional set sizes (what is
    shared counts once) that was seen four times a second, or the largest single process' own peak.
    `largest` is the latter alone, as the system counted it.
    """

    wall: float
    cpu: float
    peak: int
    said: Mapping[str, Any] = field(default_factory=dict)
    """The JSON object that the program printed, alone or as its last line."""
    largest: int = 0


@dataclass(frozen=True, slots=True)
class Pairs:
    """Interleaved runs of two programs; the first pair, which warms caches, is left out."""

    ours: tuple[Run, ...]
    theirs: tuple[Run, ...]

    def ratio(self, of: Callable[[Run], float]) -> float:
        """The median over the pairs of ours / theirs."""
        both = zip(self.ours, self.theirs, strict=True)
        return statistics.median(of(a) / of(b) for a, b in both)


class Failed(RuntimeError):
    """A measured program ended with an error."""


def python(script: str, *arguments: object) -> list[str]:
    """The command that runs a script of this folder."""
    here = Path(__file__).parent
    return [sys.executable, str(here / script), *map(str, arguments)]


def program(name: str) -> str:
    """A program that is installed beside this Python."""
    return str(Path(sys.executable).parent / name)


def run(command: Sequence[str], cwd: Path, *, env: Mapping[str, str] | None = None) -> Run:
    """Run a program to its end. Raises `Failed` with the end of what it said if it fails."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=out, stderr=err
        )
        with _Watch(process.pid) as watch:
            _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said = out.read().decode()
        if process.returncode:
            tail = (said + err.read().decode())[-2000:]
            raise Failed(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    cpu, largest = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    return Run(wall, cpu, watch.peak, _last_object(said), largest)


@contextmanager
def busy(n: int) -> Iterator[None]:
    """So many processes that only compute, until the block ends."""
    others = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(n)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def pairs(ours: Callable[[], Run], theirs: Callable[[], Run], n: int, *, warm: bool) -> Pairs:
    """Run both in turns, `n` times each, and once more before that where `warm`."""
    taken = [(ours(), theirs()) for _ in range(n + warm)][warm:]
    return Pairs(tuple(a for a, _ in taken), tuple(b for _, b in taken))


def wall(a: Run) -> float:
    """The seconds of wall clock of a run."""
    return a.wall


def median(runs: Sequence[Run], of: Callable[[Run], float] = wall) -> float:
    """The median of a figure over runs."""
    return statistics.median(of(r) for r in runs)


class _Watch:
    """Looks at the memory of everything below this process until the block ends."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.peak = 0

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        me = psutil.Process()
        before = {p.pid for p in me.children(recursive=True)} - {self._pid}
        took = 0.0
        while not self._over.wait(max(_EVERY, took * _SHARE)):
            started = time.thread_time()
            of = [p.pid for p in me.children(recursive=True) if p.pid not in before]
            found = [_memory(pid) for pid in of]
            together = sum(now for now, _ in found)
            self.peak = max(self.peak, together, *(most for _, most in found), 0)
            took = time.thread_time() - started


def memory_of_tree(pid: int) -> int:
    """The proportional set sizes of a process and of all below it, in bytes."""
    tree = [pid, *(p.pid for p in psutil.Process(pid).children(recursive=True))]
    return sum(_memory(one)[0] for one in tree)


def _memory(pid: int) -> tuple[int, int]:
    """The proportional set size of a process, and the largest resident one it ever had; bytes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended
        return 0, 0
    return _kilobytes(rollup, "Pss:"), _kilobytes(status, "VmHWM:")


def _kilobytes(text: str, key: str) -> int:
    line = next((line for line in text.splitlines() if line.startswith(key)), "x 0")
    return int(line.split()[1]) * 1024


def _last_object(said: str) -> Mapping[str, Any]:
    """The object that is the whole of the output, or else its last line."""
    for text in (said, *said.strip().splitlines()[-1:]):
        try:
            loaded = json.loads(text)
        except ValueError:
            continue
        return loaded if isinstance(loaded, dict) else {}
    return {}


def work_seconds(one: Run) -> float:
    """The seconds of its work alone, which a script of ours or by hand prints."""
    return float(one.said["seconds"])


def work_parts(runs: tuple[Run, ...]) -> dict[str, float]:
    """What a line of such scripts shows of one side."""
    return {
        "its work, s": median(runs, work_seconds),
        "whole process, s": median(runs),
        "processor time, s": median(runs, lambda r: r.cpu),
        "peak memory, MB": median(runs, lambda r: r.peak) / 1e6,
    }
