"""A metric's name stands in several tables, each on the floor that needs it: held equal here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlops_cli.config.metrics import LESS_IS_BETTER
from mlops_cli.config.metrics import METRICS as NAMES
from mlops_cli.config.model import TrainConfig
from mlops_cli.evaluation.intervals import interval
from mlops_cli.evaluation.metrics import METRICS

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/training.md"
PAIRS = [(task, name) for task, names in NAMES.items() for name in names]


def test_what_the_configuration_accepts_is_what_can_be_computed() -> None:
    assert {task: tuple(known) for task, known in METRICS.items()} == dict(NAMES)


@pytest.mark.parametrize(("task", "name"), PAIRS)
def test_which_way_is_better_is_known_without_the_metric(task: str, name: str) -> None:
    assert METRICS[task][name].greater_is_better is (name not in LESS_IS_BETTER)


@pytest.mark.parametrize(("task", "name"), PAIRS)
def test_every_metric_has_an_interval_around_its_own_value(task: str, name: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, {"binary": 2, "multiclass": 3, "regression": 50}[task], 300).astype(float)
    p = {
        "binary": np.clip(y * 0.3 + rng.random(300) * 0.6, 0.01, 0.99),
        "multiclass": rng.dirichlet([1, 1, 1], 300) * 0.6 + 0.4 * np.eye(3)[y.astype(int) % 3],
        "regression": y + rng.normal(size=300),
    }[task]
    found = interval(task, name, y, p)
    assert found.low < METRICS[task][name].value(y, p) < found.high


def test_the_guide_names_each_metric_with_its_task_and_its_method() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", GUIDE.read_text(encoding="utf-8"), re.M)
    told = {task: tuple(re.findall(r"`(\w+)`", names)) for task, names in rows if task in NAMES}
    assert told == dict(NAMES)
    methods = {name for names, how in rows if "scale" in how or how == "Wilson"
               for name in re.findall(r"`(\w+)`", names)}  # fmt: skip
    assert methods == {name for _, name in PAIRS}


def test_the_schema_names_the_defaults() -> None:
    told = TrainConfig.model_fields["metric"].description or ""
    assert re.findall(r"\w+", told)[1:5:1] == ["roc_auc", "log_loss", "or", "rmse"]
    assert [names[0] for names in NAMES.values()] == ["roc_auc", "log_loss", "rmse"]


def test_the_configuration_knows_them_without_numpy() -> None:
    code = "import mlops_cli.config.metrics, sys; print({'numpy', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
