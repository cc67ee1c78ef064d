"""usage: evaluate.py PROJECT     the whole evaluation of the newest 60,000 rows, without imports"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from mlops_cli import load_project
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.evaluation.base import Question
from mlops_cli.evaluation.judged import Judged
from mlops_cli.reports.evaluation.declared import declared_slices
from mlops_cli.reports.evaluation.made import HoldOut, report_of
from mlops_cli.reports.evaluation.markdown import evaluation_lines
from mlops_cli.reports.evaluation.page import evaluation_page
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.training.data import read_events
from mlops_cli.tuning.base import BEST, Best

ROWS = 60_000
project = load_project(Path(sys.argv[1]))
data = project.config.data.model_copy(update={"sensitive": ("carrier", "origin")})
evaluate = project.config.evaluate.model_copy(
    update={
        "slices": ("origin", "distance", "distance > 1000 and month = 12", "hour"),
        "explain": 1000,
    }
)
project = replace(
    project, config=project.config.model_copy(update={"data": data, "evaluate": evaluate})
)
events = read_events(project.root, project.config)
split = replace(events.split, holdout=events.split.holdout[-ROWS:])
events = replace(events, split=split)
bundle = open_bundle(project.root / "model")
best = msgspec.json.decode((project.root / BEST).read_bytes(), type=Best)
part = events.part(bundle.manifest.features, split.holdout)
predictions = open_predictor(bundle, 2).points(part.matrix)
started = time.perf_counter()
question = Question(project.config.task, project.config.metric, 2, bundle.manifest.threshold)
judged = Judged(question, events.plan.classes, part.target, predictions)
slices = declared_slices(project, events)
report = report_of(project.config, HoldOut(events, part.matrix, judged, slices, best), bundle)
page = evaluation_page(project.config.project, report)
card = "\n".join(evaluation_lines(report))
explained = report.explanations.rows if report.explanations else 0
said = {"rows": report.rows, "explained": explained, "page": len(page), "card": len(card)}
print(json.dumps({"seconds": time.perf_counter() - started, **said}))
