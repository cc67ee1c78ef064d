"""What is asked of predictions, known to training and evaluation alike."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_cli.bundle.manifest import THRESHOLD, Task


@dataclass(frozen=True, slots=True)
class Question:
    """What predictions are judged by: the main metric of a task with so many classes.

    `classes` is 0 for a regression; `threshold` is the probability from which on a row is of the
    positive class of two.
    """

    task: Task
    metric: str
    classes: int
    threshold: float = THRESHOLD
