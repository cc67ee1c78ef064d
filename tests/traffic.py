"""Traffic of a small model in a project's collected log: what was asked, said and came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import bundles
from mlops_cli import collect, labels, load_project
from mlops_cli.bundle.manifest import Task
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.predictor import open_predictor

FIRST = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
Line = dict[str, Any]
Event = dict[str, Any]
# The least that a line of the prediction log has.
LINE: Line = {
    "time": "2026-03-01T10:00:00Z",
    "request_id": "r1",
    "row": 0,
    "model": "p",
    "version": "0" * 12,
    "inputs": {"a": 1.5},
    "prediction": {"probability": 0.25, "label": False},
    "ms": 0.5,
}


class Watched:
    """A project whose model answers; lines are logged by the day since `FIRST`."""

    def __init__(self, root: Path, model: Path, task: Task, monitor: str = "{}") -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        (root / "model").symlink_to(model)
        (root / "mlops.yaml").write_text(
            f"project: delays\ntask: {task}\n"
            f"data: {{table: t.csv, target: late, time: at}}\nmonitor: {monitor}\n"
        )
        bundle = open_bundle(model)
        self.version = bundle.version
        self._predictor = open_predictor(bundle)
        self._files = 0
        self._asked = 0

    @property
    def project(self) -> Any:
        """The project, loaded anew."""
        return load_project(self.root)

    def answer(
        self,
        day: int,
        events: Iterable[Event],
        change: Callable[[Line], Line] = lambda line: line,
        every: timedelta = timedelta(minutes=2),
    ) -> list[Line]:
        """Answer events on a day, a request each, and log it; `change` makes another line of it."""
        events = list(events)
        said = self._predictor.predict(events)
        lines = []
        for i, (event, prediction) in enumerate(zip(events, said, strict=True)):
            self._asked += 1
            line = {
                "time": (FIRST + timedelta(days=day) + i * every).isoformat(),
                "request_id": f"r{self._asked}",
                "row": 0,
                "model": "delays",
                "version": self.version,
                "inputs": event,
                "prediction": prediction,
                "ms": 2.0,
            }
            lines.append(change(line))
        self.log(lines)
        return lines

    def log(self, lines: Iterable[Line]) -> None:
        """Collect these lines, as a segment."""
        self._files += 1
        file = self.root / f"s{self._files}.ndjson"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        collect(self.project, files=[file])

    def label(self, lines: Iterable[Line], of: Callable[[int, Line], Any]) -> None:
        """Tell what came of these lines: `of` gives each its label, None none."""
        self._files += 1
        file = self.root / f"l{self._files}.csv"
        found = ((line["request_id"], of(i, line)) for i, line in enumerate(lines))
        rows = [f"{request},{label}\n" for request, label in found if label is not None]
        file.write_text("request_id,label\n" + "".join(rows))
        labels(self.project, "add", file)


def quiet(n: int, seed: int) -> list[Event]:
    """Events like those that the model was fitted on, without the extremes among them."""
    found = bundles.events(n + 3, seed)[3:]
    for i, event in enumerate(found):  # on any day of those
        day = date(2013, 1, 1) + timedelta(days=(i * 37 + seed) % 240)
        event |= {"day": day.isoformat(), "at": f"{day}T{i % 24:02}:00:00Z"}
    return found
