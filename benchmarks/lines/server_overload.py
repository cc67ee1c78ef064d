"""A minute at one and a half times what the server can do."""

from __future__ import annotations

import threading
from pathlib import Path

from benchmarks.data import trained
from benchmarks.measure import Run, median, python, run
from benchmarks.results import Figure, Line
from benchmarks.servers import Server, events, load_parts, ours, p50, p99, rate

TIMES = 1.5
SECONDS = 60
CLIENTS = 900  # below the connections that a server takes by default
PEAKS = 3
WARM = 10  # seconds after which the memory is looked at first


def measure(work: Path) -> Line:
    """The peak before and after, and between the two the overload."""
    project = trained(work)
    (event,) = events(project, 1)
    with ours(work, project / "model", event) as mlops:
        mlops.load()
        peaks = [mlops.load() for _ in range(PEAKS)]
        early: list[int] = []
        look = threading.Timer(WARM, lambda: early.append(mlops.memory()))
        look.start()
        over = _overload(work, mlops, TIMES * median(peaks, rate))
        look.join()
        late = mlops.memory()
        peaks += [mlops.load() for _ in range(PEAKS)]
    limit = (rate(over) + over.said["refused"] / over.said["seconds"]) / over.said["busy"]
    return Line(
        title=f"The server, {SECONDS} s at {TIMES} times its peak",
        figures=(
            Figure(
                "goodput against the peak",
                rate(over) / median(peaks, rate),
                "x",
                target=0.85,
                at_least=True,
            ),
            Figure(
                "p99 of what is answered, against that at the peak",
                p99(over) / median(peaks, p99),
                "x",
                target=5,
            ),
            Figure(f"memory at the end against after {WARM} s", late / early[0], "x", target=1.05),
        ),
        parts={
            "peak": load_parts(peaks, early[0]),
            "overload": {
                "requests/s": rate(over),
                "p50, ms": p50(over),
                "p99, ms": p99(over),
                "memory, MB": late / 1e6,
                "refused/s": over.said["refused"] / over.said["seconds"],
                "asked late (p99), ms": over.said["late_p99"],
            },
        },
        note="The peak is that of 32 connections that ask again when they are answered. Then "
        f"{CLIENTS} clients ask by a timetable, whatever is answered: what falls due while a "
        "client waits is asked after that, and its time counts from when it was due. A client that "
        "gets a 503 waits for its Retry-After and asks nothing of what falls due meanwhile. All "
        "are let in, and answered once, before. The clients are one process on the same cores, "
        f"which was busy for {over.said['busy']:.0%} of the time: it could ask some "
        f"{limit:,.0f} times a second.",
    )


def _overload(work: Path, server: Server, requests: float) -> Run:
    lines = ["POST /v1/predict HTTP/1.1", "host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in server.headers.items()]
    lines += [f"content-length: {len(server.body)}", "", ""]
    (file := work / "request").write_bytes("\r\n".join(lines).encode() + server.body)
    return run(python("open_loop.py", server.port, file, requests, CLIENTS, SECONDS), work)
