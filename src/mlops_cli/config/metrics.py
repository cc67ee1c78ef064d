"""Which metrics a task has, and that the configuration names no others."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from mlops_cli.errors import UsageError

# of each task; the first is the default
METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "binary": ("roc_auc", "log_loss", "average_precision", "brier", "accuracy", "f1"),
    "multiclass": ("log_loss", "accuracy", "f1_macro", "roc_auc_ovr"),
    "regression": ("rmse", "mae", "r2"),
})  # fmt: skip


def check_metrics(task: str, main: str, gates: Iterable[str]) -> None:
    """Hold the main metric and those that gates are on to the metrics that the task has.

    A gate may name an end of the main metric's interval, too. Raises `UsageError`, with the
    nearest name.
    """
    known = METRICS[task]
    if main not in known:
        raise _unknown("train.metric is", main, task, known)
    known += (f"{main}_low", f"{main}_high")
    for name in gates:
        if name not in known:
            raise _unknown("a gate of `register.gates` is on", name, task, known)


def _unknown(where: str, name: str, task: str, known: Sequence[str]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return UsageError(
        f"mlops.yaml: {where} {name!r}, which is no metric of a {task} task",
        hint=(f"did you mean {near[0]!r}? " if near else "") + f"known: {', '.join(known)}",
    )


LESS_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae"})
