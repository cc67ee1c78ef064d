"""Windows as monitoring would have judged them, and what happened meanwhile."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops_cli.alerts import history
from mlops_cli.alerts.base import Message, State
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.log import append
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.monitoring.windows.records import (
    ColumnFound,
    ColumnQuality,
    DriftFound,
    EstimateCheck,
    LabelsFound,
    Part,
    QualityFound,
    VolumeFound,
    Window,
)

START = datetime(2025, 3, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def project(root: Path) -> Project:
    """A project whose main metric is `roc_auc`, without a model."""
    root.mkdir(parents=True)
    (root / "mlops.yaml").write_text(
        "{project: delays, task: binary, data: {table: t.csv, target: late}}"
    )
    return load_project(root)


def column(name: str, *, drifted: bool, effect: float = 0.02) -> ColumnFound:
    """A column's verdict."""
    value = 0.3 if drifted else 0.01
    return ColumnFound(
        name=name, drifted=drifted, statistic="ks", value=value, threshold=0.05, effect=effect
    )


def window(day: int, **found: object) -> Window:
    """A quiet window: two columns, a thousand rows."""
    quiet = Window(
        start=START + day * DAY,
        end=START + (day + 1) * DAY,
        target="local",
        version="0123456789ab",
        rows=1000,
        sampled=1000,
        drift=DriftFound(drifted=False, rows=1000, columns=(column("temp", drifted=False),)),
        quality=QualityFound(broken=False, figures=figures("null_rate", 0.001, 0.001)),
        volume=VolumeFound(rows=1000, requests=900),
        latency={"p50": 4.0, "p95": 9.0, "p99": 20.0},
        errors=0.001,
        labels=LabelsFound(rows=1000, labelled=1000, over=True, partial=False),
        performance=figures("roc_auc", 0.87, 0.01),
        baseline={"roc_auc": 0.88},
        estimated=figures("roc_auc", 0.86, 0.02),
    )
    return replace(quiet, **found)  # type: ignore[arg-type]


def figures(name: str, value: float, around: float) -> dict[str, float]:
    """A figure with its interval."""
    return {
        name: round(value, 6),
        f"{name}_low": round(value - around, 6),
        f"{name}_high": round(value + around, 6),
    }


def year(*, days: int = 365, columns: int = 200, segments: Sequence[str] = ()) -> list[Window]:
    """Days of a service with weekdays, drift that comes, goes and stays, faults and late labels."""
    chance = random.Random(0)
    names = [f"{('temp', 'wind', 'distance', 'carrier')[i % 4]}_{i}" for i in range(columns)]
    return [_day(day, days, names, segments, chance) for day in range(days)]


def _day(
    day: int, days: int, names: Sequence[str], segments: Sequence[str], chance: random.Random
) -> Window:
    weekend = (START + day * DAY).weekday() >= 5
    silent, broken = day == days // 3, days // 2 <= day < days // 2 + 3
    rows = 0 if silent else round(40_000 * (0.55 if weekend else 1) * chance.uniform(0.93, 1.07))
    whole = _part(rows, day, days, names, chance, broken=broken)
    late = max(0.0, (day - 0.7 * days) / days)
    parts = {
        name: _part(rows // (i + 2), day, days, names, chance, broken=broken)
        for i, name in enumerate(segments)
    }
    return Window(
        start=START + day * DAY,
        end=START + (day + 1) * DAY,
        target="local",
        version="0123456789ab" if day < 0.6 * days else "a1b2c3d4e5f6",
        rows=rows,
        sampled=rows,
        drift=whole.drift,
        prediction_drift=whole.prediction_drift,
        quality=whole.quality,
        volume=VolumeFound(
            rows=rows, requests=rows, expected=(22_000 if weekend else 40_000) if day > 20 else None
        ),
        latency=None
        if silent
        else {
            "p50": 4 + chance.random(),
            "p95": 11 + 3 * chance.random(),
            "p99": 30 + 25 * chance.random() + (140 if chance.random() < 0.02 else 0),
        },
        errors=None if silent else 0.0004 * chance.random() + (0.02 if day % 97 == 40 else 0),
        labels=whole.labels,
        performance=whole.performance,
        baseline={"roc_auc": 0.883, "log_loss": 0.36, "accuracy": 0.82},
        estimated=whole.estimated,
        estimate_check=EstimateCheck(reliable=late < 0.25, windows=30, missed=9 if late else 1),
        target_drift=whole.target_drift,
        segments={} if silent else parts,
        remarks=("nothing was asked",) if silent else (),
    )


def _part(
    rows: int,
    day: int,
    days: int,
    names: Sequence[str],
    chance: random.Random,
    *,
    broken: bool,
) -> Part:
    if not rows:
        return Part(rows=0)
    late = max(0.0, (day - 0.7 * days) / days)
    auc = 0.872 + 0.006 * math.sin(day / 9) - 0.14 * late + chance.gauss(0, 0.004)
    partial = day >= days - 7
    labelled = rows if not partial else int(rows * max(0, days - 1 - day) / 8)
    moved = 0.01 + 0.2 * late + 0.01 * chance.random()
    performance = None
    if labelled and not broken:
        performance = (
            figures("roc_auc", auc, 0.009 * math.sqrt(rows / labelled))
            | figures("log_loss", 0.37 + late / 3, 0.01)
            | figures("accuracy", 0.82 - late / 5, 0.008)
        )
    return Part(
        rows=rows,
        drift=None if broken else _drift(rows, day, days, names, chance),
        prediction_drift=None
        if broken
        else figures("prediction_drift", moved, 0.008) | {"drifted": float(moved > 0.035)},
        quality=QualityFound(
            broken=broken,
            figures=figures("null_rate", 0.31 if broken else 0.002, 0.002)
            | figures("unseen_rate", 0.004 + 0.01 * late, 0.001)
            | figures("out_of_range", 0.001 + 0.03 * late, 0.001),
            faults=(f"{names[0]} is missing in 31.2% of the rows",) if broken else (),
            columns=(
                ColumnQuality(name=names[0], missing=0.3, rise=0.3, unseen=0, out_of_range=0.0),
            )
            if broken
            else (),
        ),
        labels=LabelsFound(rows=rows, labelled=labelled, over=not partial, partial=partial),
        performance=performance,
        estimated=None if broken else figures("roc_auc", 0.87 - 0.03 * late, 0.011),
        target_drift=figures("target_drift", moved / 2, 0.01) | {"drifted": 0.0}
        if performance
        else None,
    )


def _drift(
    rows: int, day: int, days: int, names: Sequence[str], chance: random.Random
) -> DriftFound:
    found = []
    for i, name in enumerate(names):
        since = (i * 37) % days
        season = i % 3 == 0 and since <= day < since + 12 + i % 40
        stays = i % 23 == 1 and day > 0.75 * days
        drifted = (season and chance.random() < 0.85) or stays or chance.random() < 0.0005
        effect = chance.uniform(0.03, 0.5) if drifted else 0.01
        found.append(column(name, drifted=drifted, effect=effect))
    found.sort(key=lambda c: (not c.drifted, -c.effect))
    return DriftFound(drifted=any(c.drifted for c in found), rows=rows, columns=tuple(found))


def change(root: Path, state: State, when: str, day: float, *, segment: str | None = None) -> None:
    """An alert fires or is resolved, by the history's own file."""
    start = START + day * DAY
    key = f"p/local/{when}" + (f"/{segment}" if segment else "")
    message = Message(
        state=state, when=when, key=key, metric=when.split(maxsplit=1)[0], value=0.2,
        threshold=0.1, start=start, end=start + DAY, target="local", version="0123456789ab",
        segment=segment,
    )  # fmt: skip
    history.append(root, [history.Change(f"{key}#{day}{state}", start, (), message)])


def act(root: Path, draft: Draft, day: float) -> None:
    """An entry of the audit log on that day."""
    append(root, draft, copies=None, clock=lambda: START + day * DAY)
