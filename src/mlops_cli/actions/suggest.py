"""`mlops features suggest`: features that a model would gain by, written out to be pruned."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_cli._files import write_text
from mlops_cli._json import canonical_json
from mlops_cli.bundling.candidates import Found, Trying
from mlops_cli.config.paths import FEATURES_PLAN, FEATURES_TABLE, SUGGESTIONS
from mlops_cli.config.project import Project
from mlops_cli.config.sections.features import AggregateConfig
from mlops_cli.errors import UsageError
from mlops_cli.evaluation.worth import Worth
from mlops_cli.features.base import Schemas, load_schemas
from mlops_cli.features.candidates import (
    Candidate,
    candidates,
    with_candidates,
)
from mlops_cli.features.layout import check_features
from mlops_cli.features.table import write_features
from mlops_cli.progress import QUIET, Progress
from mlops_cli.reports.suggestions import suggestions
from mlops_cli.tables import open_engine
from mlops_cli.training.data import Events, problem_of, read_events


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A feature to add: a row's `expression`, or an `aggregate` as `features.aggregates` has it.

    `worth` is what a row costs less with it (log loss, squared error), on folds.
    """

    name: str
    worth: Worth
    expression: str | None = None
    aggregate: dict[str, str | list[str]] | None = None


@dataclass(frozen=True, slots=True)
class SuggestResult:
    """What is suggested of `looked` candidates, by `rows` rows of the training part.

    `together` is what a row of the validation part costs less with all of them; None without any.
    """

    suggested: tuple[Suggestion, ...]
    looked: int
    rows: int
    together: Worth | None
    file: str = SUGGESTIONS


def suggest_features(project: Project, *, progress: Progress = QUIET) -> SuggestResult:
    """Try ratios, differences, and figures of joined tables and earlier events; write `file`.

    The hold-out is not looked at, and nothing else is changed. Raises `UsageError` where there is
    nothing to try, `DataError` where the rows are too few.
    """
    config = project.config
    schemas = load_schemas(project)
    layout = check_features(config, schemas, project.root)
    every = candidates(config, schemas, layout)
    if not every:
        raise UsageError(
            "there is nothing to suggest: no two features are numbers, and without data.time "
            "nothing is known of earlier rows",
            hint="list more columns under features.columns",
        )
    project.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=project.cache) as folder:
        progress.update(f"making {len(every)} candidates")
        asked = replace(project, config=with_candidates(config, every))
        events = _made(asked, schemas, Path(folder))
        own = [f.name for f in layout.features]
        problem = replace(
            problem_of(asked.config, events, events.features(events.split.train)),
            root=project.root,
        )
        trying = Trying(asked.config, events, own, problem)
        progress.update("fitting on folds")
        found = trying.found(every)
        together = trying.proved(found) if found else None
    rows = len(events.split.train)
    write_text(project.root / SUGGESTIONS, suggestions(found, together, len(every), rows))
    return SuggestResult(tuple(map(_told, found)), len(every), rows, together)


def _made(project: Project, schemas: Schemas, folder: Path) -> Events:
    """The table of features with all candidates, in a folder of its own."""
    layout = check_features(project.config, schemas, project.root)
    table = folder / FEATURES_TABLE
    table.parent.mkdir(parents=True)
    with open_engine(temporary=project.temporary) as engine:
        plan = write_features(engine, project, layout, schemas, table)
    (folder / FEATURES_PLAN).write_bytes(canonical_json(plan))
    return read_events(folder, project.config)


def _told(found: Found) -> Suggestion:
    candidate: Candidate = found.candidate
    if isinstance(candidate.definition, AggregateConfig):
        said = candidate.definition.model_dump(mode="json", exclude_defaults=True)
        return Suggestion(candidate.name, found.worth, aggregate=said)
    return Suggestion(candidate.name, found.worth, expression=candidate.definition)
