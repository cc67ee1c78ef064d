"""What a rollout costs the requests: a canary, and a shadow that hangs, against none."""

from __future__ import annotations

import json
import os
import signal
import statistics
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.data import trained
from benchmarks.measure import pairs
from benchmarks.results import Figure, Line
from benchmarks.servers import Server, events, load_parts, ours, p99, rate
from mlops_cli.bundle.reader import open_bundle

PAIRS = 7
_SECRET = "b" * 43


def measure(work: Path) -> Line:
    """32 connections on each in turns; the candidate is as good as the champion: the same."""
    project = trained(work)
    (event,) = events(project, 1)
    bundle, folders = project / "model", [work / n for n in ("canary", "shadow", "no_rollout")]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        (folder / "control").write_text(_SECRET)
        (folder / "rollout.json").unlink(missing_ok=True)  # of an earlier run
    canary, shadow, none = folders
    with (
        ours(none, bundle, event) as without,
        ours(canary, bundle, event, **_settings(canary)) as at_five,
        ours(shadow, bundle, event, **_settings(shadow)) as hung,
    ):
        _weigh(at_five, bundle, 5, mirror=False)
        few = pairs(at_five.load, without.load, PAIRS, warm=True)
        _weigh(hung, bundle, 100, mirror=True)
        with _hanging(hung.pid):
            hanging = pairs(hung.load, without.load, PAIRS, warm=True)
        parts = {
            "canary at 5 %": load_parts(few.ours, at_five.memory()),
            "none, beside it": load_parts(few.theirs, without.memory()),
            "shadow that hangs": load_parts(hanging.ours, hung.memory()),
            "none, beside that": load_parts(hanging.theirs, without.memory()),
        }
    longer = [p99(a) - p99(b) for a, b in zip(hanging.ours, hanging.theirs, strict=True)]
    share = {"target": 0.95, "at_least": True, "pairs": PAIRS}
    return Line(
        title="The server, what a rollout costs at full load",
        figures=(
            Figure("requests/s with a canary at 5 %", few.ratio(rate), "x", **share),
            Figure("requests/s with a shadow that hangs", hanging.ratio(rate), "x", pairs=PAIRS),
            Figure("longer p99 with that shadow", statistics.median(longer), "ms", pairs=PAIRS),
        ),
        parts=parts,
        note="With keys and the prediction log. The candidate is the champion's own bundle in its "
        "process; the one that hangs is stopped (SIGSTOP) whenever it was started again. Load, "
        "server and candidate share the same cores.",
    )


def _settings(folder: Path) -> dict[str, str]:
    return {"rollout": str(folder / "rollout.json"), "control": str(folder / "control")}


def _weigh(server: Server, bundle: Path, percent: float, *, mirror: bool) -> None:
    digest = open_bundle(bundle).digest
    traffic = {
        "salt": "bench",
        "champion": digest,
        "candidate": digest,
        "candidate_path": str(bundle.resolve()),
        "percent": percent,
        "step": 0,
        "mirror": mirror,
    }
    body = {"after": None, "document": {"generation": 1, "traffic": traffic, "state": None}}
    url = f"http://127.0.0.1:{server.port}/v1/admin/rollout"
    head = {"authorization": f"Bearer {_SECRET}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), head, method="PUT")
    urllib.request.urlopen(request, timeout=60).close()


@contextmanager
def _hanging(server: int) -> Iterator[None]:
    """Stop every process that the server starts, until the block ends."""
    over = threading.Event()

    def stop() -> None:
        while not over.wait(0.2):
            text = Path(f"/proc/{server}/task/{server}/children").read_text()
            for process in map(int, text.split()):
                with suppress(ProcessLookupError, FileNotFoundError):
                    # One that still loads its bundle is let be: it hangs when it is asked.
                    if _owes(process):
                        os.kill(process, signal.SIGSTOP)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _owes(process: int) -> bool:
    """Whether it has more than loaded: its adjustment is told before, its threads are few."""
    started = float(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[19])
    up = float(Path("/proc/uptime").read_text().split()[0])
    return up - started / os.sysconf("SC_CLK_TCK") > 2.0
