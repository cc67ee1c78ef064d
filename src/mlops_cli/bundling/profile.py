"""The profile that monitoring compares with: of the fitted rows, and of the hold-out's outcomes."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.plan import ID, lookups
from mlops_cli.bundle.profile import Profile
from mlops_cli.bundling.work import Work
from mlops_cli.config.project import Project
from mlops_cli.monitoring.drift.outcomes import Outcomes, outcome_profiles
from mlops_cli.monitoring.drift.profile import Units, profile_of
from mlops_cli.monitoring.performance.estimate import scores_of
from mlops_cli.monitoring.performance.losses import losses_of
from mlops_cli.tables.base import ROW
from mlops_cli.tables.groups import codes_of
from mlops_cli.tables.split import Rows
from mlops_cli.training.data import Events


def profile(project: Project, work: Work) -> Profile:
    """The profile of the fitted rows: inputs that features read, features, subjects."""
    plan = work.events.plan
    return profile_of(
        work.events.rows(work.events.split.fitted),
        inputs=[i for i in plan.inputs if i.name not in lookups(plan.inputs, plan.trees)],
        features=work.problem.features,
        units=_units(project, work.events, work.events.split.fitted),
        sensitive=work.events.sensitive,
    )


def with_outcomes(
    project: Project, work: Work, predictions: NDArray[np.float64], profile: Profile
) -> Profile:
    """The profile with what was predicted of the hold-out, and what came of it."""
    events, holdout = work.events, work.events.split.holdout
    subject = project.config.data.id.subject
    outcomes = Outcomes(
        said=predictions,
        truth=events.target[holdout],
        subjects=events.rows(holdout, [ROW, *(ID + name for name in subject)]),
        units=_units(project, events, holdout),
        sensitive=bool(project.config.data.sensitive),
    )
    made = outcome_profiles(outcomes, work.events.plan.classes)
    groups = codes_of(outcomes.subjects, [ID + name for name in subject]) if subject else None
    if work.problem.task != "regression":
        scores = scores_of(work.problem.task, outcomes.truth, predictions, groups)
        return msgspec.structs.replace(profile, outcomes=made, scores=scores)
    features = events.part(work.problem.features, holdout).matrix.astype(np.float64)
    losses = losses_of(features, outcomes.truth, predictions, groups)
    return msgspec.structs.replace(profile, outcomes=made, losses=losses)


def _units(project: Project, events: Events, rows: Rows) -> Units:
    moments = None if events.moments is None else events.moments[rows]
    return Units(project.config.data.id.subject, moments)
