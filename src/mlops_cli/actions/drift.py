"""The command `drift`: is a table still like the rows that the deployed model was fitted on?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_cli._files import write_text
from mlops_cli._json import pretty_json
from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.profile import Profile, Span
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import DRIFT_PAGE, DRIFT_REPORT
from mlops_cli.config.project import Project
from mlops_cli.features.base import Schemas, in_form, load_schemas
from mlops_cli.features.layout import event_types
from mlops_cli.features.raw_table import raw_names
from mlops_cli.governance.withdrawal import standing_champion
from mlops_cli.monitoring.counts.comparison import without_time
from mlops_cli.monitoring.counts.subjects import one_of_each_sql
from mlops_cli.monitoring.drift.base import ColumnDrift
from mlops_cli.monitoring.drift.sample import reconstruct
from mlops_cli.monitoring.drift.spans import span_for
from mlops_cli.monitoring.drift.verdict import alpha_of, find_drift
from mlops_cli.progress import QUIET, Progress
from mlops_cli.reports.base import DriftPage
from mlops_cli.reports.drift import write_drift_page
from mlops_cli.scoring.counted import Counting, counted
from mlops_cli.tables import open_project_engine
from mlops_cli.tables.base import Engine, quote
from mlops_cli.targets import open_target
from mlops_cli.tracking import open_tracker

DRAWN = 2000  # rows a side: enough for a histogram, and a painter's time grows with them


@dataclass(frozen=True, slots=True)
class DriftResult:
    """What was found: `columns` ranked, the drifted ones first.

    `current` is the table as it was named, `rows` how many of it were compared: one of each
    subject, where `data.id` named one when the model was fitted; `alpha` is the probability
    that a quiet window of its kind raises an alarm. `report` and `data` are the HTML page and the
    same as JSON, relative to the project.
    """

    drifted: bool
    columns: tuple[ColumnDrift, ...]
    current: str
    rows: int
    digest: str
    version: str
    alpha: float
    report: str = DRIFT_PAGE
    data: str = DRIFT_REPORT


def drift(
    project: Project, *, current: Path, bundle: Path | None = None, progress: Progress = QUIET
) -> DriftResult:
    """Compare the raw table `current` with the profile of the deployed model's bundle.

    Without `bundle` that is what the configured target runs, or else the champion. Only the
    manifest's inputs and features are looked at; joined columns that the table lacks are made
    from the project's tables. Writes `reports/drift.html` and `reports/drift.json`. Finding
    drift is a result, no error. Raises `UsageError` where there is no model, `DataError` for a
    table that cannot be read or lacks a column, `InconclusiveError` for too few rows.
    """
    reference = open_bundle(bundle or _deployed(project))
    schemas = load_schemas(project)
    trees = reference.trees().features
    profile = without_time(reference.profile(), project.config.data.time, trees)
    progress.update(f"counting {current}")
    with open_project_engine(project, over_time=project.config.features.over_time) as engine:
        window = _Window(engine, project, schemas, current)
        chosen = window.independent(profile, progress)
        job = Counting(project, schemas, reference, profile, current, chosen, DRAWN)
        found, sample = counted(engine, job)
        span = window.span(profile)
    result = _judge(project, reference, str(current), found, span)
    progress.update("drawing the report")
    _write(project, result, profile, sample.table(), progress)
    return result


@dataclass(frozen=True, slots=True)
class _Window:
    """The table `current`, as far as it tells which of its rows are independent."""

    engine: Engine
    project: Project
    schemas: Schemas
    current: Path

    def independent(self, profile: Profile, progress: Progress) -> str | None:
        """A query of one row of each subject, where the profile is made so; None: of all rows."""
        if not profile.subject:
            return None
        if not self._has(profile.subject):
            progress.log(
                f"{self.current.name} has no {', '.join(profile.subject)}: every row counts, "
                "though rows of one subject are alike, and false alarms are more than budgeted"
            )
            return None
        return one_of_each_sql(self._typed(profile.subject), profile.subject)

    def span(self, profile: Profile) -> Span | None:
        """What the profile says of windows as long as this one; None where it has no time."""
        time = self.project.config.data.time
        if not profile.spans or time is None or not self._has([time]):
            return None
        at = f"epoch({quote(time)})"
        ((seconds,),) = self.engine.rows(f"select max({at}) - min({at}) from {self._typed([time])}")
        return None if seconds is None else span_for(profile.spans, seconds)

    def _has(self, names: Sequence[str]) -> bool:
        return set(names) <= set(raw_names(self.engine, self.current))

    def _typed(self, names: Sequence[str]) -> str:
        data = self.project.config.data
        schema = self.schemas[data.table]
        types = event_types(schema, data.time)
        forms = in_form({name: types[name] for name in names}, schema.forms)
        return self.engine.typed(self.current, forms)


def _deployed(project: Project) -> Path:
    """The folder of the bundle that the target runs, or of the champion's."""
    tracker = open_tracker(project)
    if deployment := open_target(project.config.deploy.target, project).status():
        return tracker.fetch(deployment.digest)
    hint = "make one with `mlops run`, or name a bundle: mlops drift --bundle DIR ..."
    return tracker.fetch(standing_champion(project, tracker, hint=hint).digest)


def _judge(
    project: Project, bundle: Bundle, current: str, found: Sequence[Any], span: Span | None
) -> DriftResult:
    settings = project.config.drift
    alpha = alpha_of(settings.false_alarms_per_month, settings.every)
    columns = tuple(find_drift(found, alpha, span))
    return DriftResult(
        drifted=any(c.drifted for c in columns),
        columns=columns,
        current=current,
        rows=found[0].rows,
        digest=bundle.digest,
        version=bundle.version,
        alpha=alpha,
    )


def _write(
    project: Project, result: DriftResult, profile: Profile, sample: Any, progress: Progress
) -> None:
    write_text(project.root / DRIFT_REPORT, pretty_json(result))
    page = DriftPage(
        project=project.config.project,
        version=short(result.digest),
        source=Path(result.current).name,
        reference_rows=profile.rows,
        current_rows=result.rows,
        verdicts=result.columns,
        reference=reconstruct(profile, DRAWN),
        current=sample,
    )
    painter = project.config.drift.pictures
    fault = write_drift_page(page, project.root / DRIFT_PAGE, painter=painter)
    if fault:
        progress.log(f"{DRIFT_PAGE} has no pictures: {fault}")
