"""The command `drift`: is a table still like the rows that the deployed model was fitted on?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_cli._files import write_text
from mlops_cli._json import pretty_json
from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.profile import Profile
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import DRIFT_PAGE, DRIFT_REPORT
from mlops_cli.config.project import Project
from mlops_cli.features.base import load_schemas
from mlops_cli.features.raw_table import raw_table_sql
from mlops_cli.governance.champion import champion_of
from mlops_cli.monitoring.base import ColumnDrift
from mlops_cli.monitoring.drift import alpha_of, find_drift
from mlops_cli.monitoring.sample import Sample, reconstruct
from mlops_cli.monitoring.window import compare, without_time
from mlops_cli.progress import QUIET, Progress
from mlops_cli.reports.base import DriftPage
from mlops_cli.reports.drift import write_drift_page
from mlops_cli.tables import open_engine
from mlops_cli.targets import open_target
from mlops_cli.tracking import open_tracker

DRAWN = 2000  # rows a side: enough for a histogram, and Evidently's time grows with them


@dataclass(frozen=True, slots=True)
class DriftResult:
    """What was found: `columns` ranked, the drifted ones first.

    `current` is the table as it was named, `rows` how many it has; `alpha` is the probability
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
    features = {f.name for f in reference.manifest.features}
    profile = without_time(reference.profile(), project.config.data.time, features)
    sample = Sample(profile, DRAWN)
    progress.update(f"counting {current}")
    with open_engine(temporary=project.temporary) as engine:
        batches = engine.batches(raw_table_sql(engine, project, schemas, reference, current))
        found = compare(profile, sample.through(batches))
    result = _judge(project, reference, str(current), found)
    progress.update("drawing the report")
    _write(project, result, profile, sample.table(), progress)
    return result


def _deployed(project: Project) -> Path:
    """The folder of the bundle that the target runs, or of the champion's."""
    tracker = open_tracker(project)
    if deployment := open_target(project.config.deploy.target, project).status():
        return tracker.fetch(deployment.digest)
    hint = "make one with `mlops run`, or name a bundle: mlops drift --bundle DIR ..."
    return tracker.fetch(champion_of(project, tracker, hint=hint).digest)


def _judge(project: Project, bundle: Bundle, current: str, found: Sequence[Any]) -> DriftResult:
    settings = project.config.drift
    alpha = alpha_of(settings.false_alarms_per_month, settings.every)
    columns = tuple(find_drift(found, alpha))
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
    fault = write_drift_page(page, project.root / DRIFT_PAGE)
    if fault:
        progress.say(f"{DRIFT_PAGE} has no pictures: {fault}")
