"""Features on two executors of Spark against DuckDB alone, and what they cost as rows grow."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from benchmarks.data import flights, flights_times, new_project
from benchmarks.measure import Failed, Run, python, run, work_seconds
from benchmarks.results import Figure, Line
from mlops_cli import load_project
from mlops_cli.contracts.missing import write_missing_contracts

TIMES = tuple(map(int, os.environ.get("MLOPS_BENCH_SPARK", "1,10,98").split(",")))
MASTER = "local-cluster[2,1,2048]"
_FLIGHTS = 336_776


def measure(work: Path) -> Line:
    """`featurize` once on each, at each size: a run takes minutes, and the sizes are the pairs."""
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        raise Failed("it takes pip install 'mlops-cli[spark]' and Java 17")
    base = work / "spark"
    new_project(flights(work), base)
    write_missing_contracts(load_project(base))
    alone, there, shuffled = {}, {}, {}
    for times in TIMES:
        project = _project(work, base, times)
        alone[times] = _featurize(project, {})
        log = project / "spark-log"
        shutil.rmtree(log, ignore_errors=True)
        log.mkdir()
        settings = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": log.as_uri(),
            "spark.eventLog.compress": "false"}  # fmt: skip
        there[times] = _featurize(project, {"spark": MASTER, "settings": settings})
        shuffled[times] = _shuffled(log)
    most, less = TIMES[-1], TIMES[-2]
    rows = f"{most * _FLIGHTS / 1e6:.3g} M rows"
    cost = there[most].cpu / there[less].cpu * less / most
    sent = shuffled[most] / shuffled[less] * less / most
    against = f"a row, {most} times the flights against {less} times"
    figures = (
        Figure(f"Spark against DuckDB, {rows}", _ratio(there, alone, work_seconds)[most], "x"),
        Figure(f"the same, processor time, {rows}", there[most].cpu / alone[most].cpu, "x"),
        Figure(f"processor time {against}", cost, "x", 1.3),
        Figure(f"shuffled bytes {against}", sent, "x", 1.3),
    )
    return Line(
        title=f"`featurize` on Spark `{MASTER}`",
        figures=figures,
        parts={
            f"{times * _FLIGHTS / 1e6:.3g} M rows": {
                "DuckDB, s": work_seconds(alone[times]),
                "DuckDB, processor time, s": alone[times].cpu,
                "Spark, s": work_seconds(there[times]),
                "Spark, processor time, s": there[times].cpu,
                "shuffled, bytes a row": shuffled[times] / times / _FLIGHTS,
                "peak memory of Spark's processes, MB": there[times].peak / 1e6,
                "peak memory of DuckDB's, MB": alone[times].peak / 1e6,
            }
            for times in TIMES
        },
        note=_crossing(_ratio(there, alone, work_seconds)),
    )


def _ratio(
    there: Mapping[int, Run], alone: Mapping[int, Run], of: Callable[[Run], float]
) -> dict[int, float]:
    return {times: of(there[times]) / of(alone[times]) for times in TIMES}


def _crossing(ratios: Mapping[int, float]) -> str:
    faster = [times for times, ratio in ratios.items() if ratio < 1]
    where = f"at {faster[0]} times the flights" if faster else "beyond what was measured"
    return (
        f"Both on the same cores, the start of the JVM in it. The crossover lies {where}. "
        "Processor time is that of all processes, whole, with their imports."
    )


def _project(work: Path, base: Path, times: int) -> Path:
    root = work / f"spark-{times}"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(base, root)
    tables = flights_times(work, times)
    for name in ("flights", "weather"):
        (root / f"data/raw/{name}.parquet").unlink()
        (root / f"data/raw/{name}.parquet").symlink_to(tables / f"{name}.parquet")
    return root


def _featurize(project: Path, engine: dict[str, object]) -> Run:
    config = project / "mlops.yaml"
    text = config.read_text(encoding="utf-8").partition("\nengine: ")[0].rstrip()
    config.write_text(f"{text}\nengine: {json.dumps(engine)}\n", encoding="utf-8")
    before = _ended()
    taken = run(python("ours/featurize.py", project), project)
    return replace(taken, cpu=_ended() - before)


def _ended() -> float:
    """The processor time of all that was started, once it has ended: a JVM outlives its command."""
    with suppress(ChildProcessError):
        while True:
            os.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _shuffled(log: Path) -> int:
    """The bytes that tasks wrote for others, by Spark's own log of events."""
    written = 0
    for file in log.rglob("*"):
        if not file.is_file():
            continue
        for line in file.read_text(encoding="utf-8").splitlines():
            if '"SparkListenerTaskEnd"' in line:
                metrics = json.loads(line).get("Task Metrics") or {}
                written += metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
    return written
