"""What the model of a run is worth, from the small files that the run leaves in git."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_cli.config.paths import DECISION, METRICS_FILE
from mlops_cli.stages import stages_of


@dataclass(frozen=True, slots=True)
class Worth:
    """The main metric on the hold-out with its 95 % interval, and the champion's on the same rows.

    `champion` is the first 12 digits of the version that the model was compared with, and
    `champion_value` its metric; both are None where there was none to compare with.
    """

    metric: str
    value: float
    low: float
    high: float
    champion: str | None = None
    champion_value: float | None = None


def worth_of(root: Path, targets: Sequence[str]) -> Worth | None:
    """The worth of `model/` after a run of `targets` that went as far as `train`."""
    reached = stages_of(targets)
    if "train" not in reached:
        return None
    try:
        holdout = _read(root / METRICS_FILE)["holdout"]
        metric = next(iter(holdout))  # the main one comes first
        value, low, high = (float(holdout[name]) for name in (metric, *_ends(metric)))
        worth = Worth(metric, value, low, high)
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None
    if "register" not in reached:
        return worth
    return _beside_champion(root, worth)


def _beside_champion(root: Path, worth: Worth) -> Worth:
    try:
        decision = _read(root / DECISION)
        before = decision["champion_before"]
        if before is None or before["digest"] == decision["digest"] or before["value"] is None:
            return worth
        found = (worth.metric, worth.value, worth.low, worth.high)
        return Worth(*found, before["digest"][:12], before["value"])
    except (OSError, ValueError, KeyError, TypeError):
        return worth


def _ends(metric: str) -> tuple[str, str]:
    return f"{metric}_low", f"{metric}_high"


def _read(file: Path) -> Any:
    return json.loads(file.read_bytes())
