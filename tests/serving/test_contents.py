"""Answers are the JSON of the predictions that other ways give, whichever way writes it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from mlops_cli.bundle.manifest import ClassLabel, Task
from mlops_cli.serving.predictions import contents, render

NUMBERS = [0.0, 1.0, 0.5, 1e-7, 0.1, 1 / 3, 5e-324, 123456.789]


@dataclass(frozen=True)
class Model:
    task: Task
    classes: tuple[ClassLabel, ...] | None
    threshold: float = 0.5
    interval: float | None = None


@pytest.mark.parametrize(
    ("model", "raw"),
    [
        (Model("binary", (False, True)), np.array(NUMBERS)),
        (Model("binary", ("a,b", 'say "c"')), np.array(NUMBERS)),
        (Model("binary", (0, 1)), np.array([np.nan])),
        (Model("binary", ("no", "yes"), threshold=0.1), np.array(NUMBERS)),
        (Model("regression", None), np.array([*NUMBERS, -1e300])),
        (Model("regression", None, interval=0.9), np.array([[1.5, -0.5, 1 / 3], [0.0, 0.0, 2.0]])),
        (Model("multiclass", ("a", "b")), np.array([[0.25, 0.75], [1.0, 0.0]])),
        (Model("binary", (False, True)), np.array([])),
    ],
)
def test_the_bytes_of_each_prediction(model: Model, raw: np.ndarray) -> None:
    assert contents(model, raw) == [msgspec.json.encode(one) for one in render(model, raw)]
