"""`train.refit: all`: the judged model's parameters, fitted again on every row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.writer import Model
from mlops_cli.bundling.bundle import bundle_files
from mlops_cli.bundling.decisions import decided_again
from mlops_cli.bundling.fit import estimator_of, fitted_of
from mlops_cli.bundling.profile import profile, with_outcomes
from mlops_cli.bundling.work import Work
from mlops_cli.config.project import Project
from mlops_cli.tables.split import Split
from mlops_cli.training.answering import Answering, Decided


def refitted(
    project: Project, work: Work, decided: Decided, predictions: NDArray[np.float64], judged: str
) -> tuple[Model, dict[str, bytes]]:
    """The bundle's parts of the model that is fitted on everything, the hold-out with it.

    `judged` is the digest of the model that was judged.

    Parameters, rounds, weights and what was decided are those of the judged model: one that nobody
    has judged would have others. `predictions` are the judged model's of the hold-out: what came
    of these stands in the profile. Raises `UsageError` where the library refuses the rows.
    """
    config, rows = project.config, np.arange(len(work.events.target))
    none = np.empty(0, dtype=np.int64)
    events = replace(work.events, split=Split(rows, none, none))
    problem = replace(work.problem, features=events.features(rows))
    estimator = estimator_of(config.train.estimator, problem, work.best)
    whole = replace(work, events=events, problem=problem, estimator=estimator)
    fitted = fitted_of(estimator, events.part(problem.features, rows), work.best)
    answering = Answering(fitted, decided_again(whole, decided))
    as_it_was = replace(whole, events=work.events)  # with its hold-out
    reference = with_outcomes(project, as_it_was, predictions, profile(project, whole))
    model, files = bundle_files(project, whole, answering, reference)
    return replace(model, judged=judged), files
