"""Small bundles whose profile has what a hold-out told of the model's answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

import bundles
from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import Task
from mlops_cli.bundle.profile import Profile
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.monitoring.performance.estimate import scores_of
from mlops_cli.monitoring.performance.losses import losses_of
from mlops_cli.serving.predictor import open_predictor
from traffic import quiet

ROWS = 4_000
Truth = Callable[[bundles.Event, float], float]


def write(path: Path, task: Task, truth: Truth) -> Path:
    """A binary model or a regression; `truth` draws what came of an event and its answer."""
    bundles.write(path, task)
    events = quiet(ROWS, 99)
    answers = open_predictor(open_bundle(path)).predict(events)
    key = "value" if task == "regression" else "probability"
    said = np.array([float(one[key]) for one in answers])
    target = np.array([truth(e, p) for e, p in zip(events, said, strict=True)])
    file = path / "profile.json"
    profile = msgspec.json.decode(file.read_bytes(), type=Profile)
    if task == "regression":
        losses = losses_of(bundles.matrix(events).astype(float), target, said)
        profile = msgspec.structs.replace(profile, losses=losses)
    else:
        profile = msgspec.structs.replace(profile, scores=scores_of(task, target, said))
    file.write_bytes(canonical_json(profile))
    bundles.seal(file)
    return path
