"""What the commands do: one plain function a file; and the table of the pipeline's stages.

The table is strings only, so that importing it costs nothing: `dvc.yaml`, the CLI's order, the
docs and the tests are made from it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlops_cli.config.paths import (
    DECISION,
    EVALUATION,
    EVALUATION_PAGE,
    FEATURES_PLAN,
    FEATURES_TABLE,
    IMAGE,
    METRICS_FILE,
    MODEL,
    PLOTS,
    REJECTED,
    SETTINGS,
    TUNE,
    VALIDATE_REPORT,
)

# "1" in the environment of stages, which DVC starts, tells them of an option of `mlops run`
FIRST = "MLOPS_FIRST"  # `--first`, to `register`
UNDER_RUN = "MLOPS_RUN"  # it is `mlops run`, which tells a stage's error itself
ANEW = "MLOPS_ANEW"  # `--force`, to `tune`, which takes over no trial of an earlier search then


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the pipeline.

    `revision` belongs to the stage's code: raise it in a release that changes what the stage
    computes, so that DVC runs it again. `params` are the keys of `mlops.yaml` that it may read.
    `keys` are single ones of other sections, which it depends on where they are set.
    In `deps`, `{tables}` and `{contracts}` stand for the tables that the configuration names,
    `{python}` for the files of `features.python`, `{dockerfile}` for the project's own template of
    it, if there is one, `{modules}` for its code that makes the estimator, if it does.
    `uncached` outputs live in git, and are never restored without running the command; neither
    are those that `persist`, which DVC keeps.
    """

    name: str
    summary: str
    revision: int
    params: tuple[str, ...]
    deps: tuple[str, ...]
    outs: tuple[str, ...] = ()
    persist: tuple[str, ...] = ()
    uncached: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    plots: tuple[str, ...] = ()

    @property
    def settings(self) -> str:
        """The file of its sections as DVC compares them: with the types of their values."""
        return f"{SETTINGS}/{self.name}.json"

    @property
    def written(self) -> tuple[str, ...]:
        """Every file and folder that it writes."""
        return (*self.outs, *self.persist, *self.uncached, *self.metrics, *self.plots)

    @property
    def module(self) -> str:
        """The module whose function of the stage's name does the work."""
        return f"mlops_cli.stages.{self.name}"


STAGES: tuple[Stage, ...] = (
    Stage(
        name="validate",
        summary="hold the tables to their contracts",
        revision=3,
        params=("data", "validate", "features"),
        deps=("{tables}", "{contracts}"),
        outs=(REJECTED,),
        uncached=(VALIDATE_REPORT,),
    ),
    Stage(
        name="featurize",
        summary="make one table of features, as known at each event's time",
        revision=4,
        params=("task", "data", "validate", "features"),  # validate names the contract
        keys=("split.key", "train.weights"),  # which it keeps beside the features
        deps=("{tables}", "{contracts}", "{python}", REJECTED),
        outs=(FEATURES_TABLE, FEATURES_PLAN),
    ),
    Stage(
        name="tune",
        summary="search for parameters",
        revision=7,
        params=("project", "task", "data", "split", "tune", "train"),
        deps=(FEATURES_TABLE, FEATURES_PLAN, "{modules}"),
        outs=(TUNE,),
    ),
    Stage(
        name="train",
        summary="fit the model, judge it on the hold-out, write the bundle",
        revision=10,
        params=("project", "task", "data", "split", "train", "evaluate"),
        keys=("features.python_in_server",),
        deps=(FEATURES_TABLE, FEATURES_PLAN, "{modules}", TUNE),
        outs=(MODEL, EVALUATION),
        metrics=(METRICS_FILE,),
        plots=(PLOTS,),
    ),
    Stage(
        name="register",
        summary="hold the model to its gates, show it beside the champion",
        revision=4,
        params=("project", "task", "data", "validate", "features", "split", "train", "register"),
        deps=(
            "{tables}",
            "{contracts}",
            REJECTED,
            FEATURES_TABLE,
            FEATURES_PLAN,
            MODEL,
            METRICS_FILE,
            EVALUATION,
        ),
        outs=(EVALUATION_PAGE,),
        uncached=(DECISION,),
    ),
    Stage(
        name="package",
        summary="write the build context of the image that serves the model",
        revision=2,
        params=("project", "package"),
        deps=(MODEL, DECISION, "{dockerfile}"),
        outs=(IMAGE,),
    ),
)

# What DVC runs before them where a setting of theirs has changed: see `stages/settings.py`.
PIPELINE: tuple[Stage, ...] = (
    Stage(
        name="settings",
        summary="write down, with their types, the settings that each stage depends on",
        revision=1,
        params=(),  # in `dvc.yaml` those of all stages
        deps=(),
        persist=(SETTINGS,),
    ),
    *STAGES,
)


# They keep a refused model as an experiment of `dvc exp run`, which keeps none that failed.
JUDGING = ("register", "package")


def stage(name: str) -> Stage:
    """The stage of that name."""
    return next(s for s in PIPELINE if s.name == name)


def load_stage(name: str) -> Callable[..., object]:
    """The function of the stage of that name; its module, with all that it needs, is imported."""
    work: Callable[..., object] = getattr(importlib.import_module(stage(name).module), name)
    return work


def stages_of(targets: Sequence[str]) -> list[str]:
    """Our stages that a run of `targets` is about, in order; all where a target is not ours.

    Those are the targets and what they depend on: the table is in the order in which one stage
    reads what another one wrote.
    """
    wanted = set(targets)
    if not targets or not wanted <= {stage.name for stage in STAGES}:
        return [stage.name for stage in STAGES]
    for stage in reversed(STAGES):
        if stage.name in wanted:
            wanted |= {other.name for other in STAGES if {*stage.deps} & {*other.written}}
    return [stage.name for stage in STAGES if stage.name in wanted]
