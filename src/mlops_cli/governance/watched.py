"""The models that the log tells of, found again by their version: to be watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import ERASED, METRICS_FILE, MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import BundleError, EnvironmentFault
from mlops_cli.features.sql import render_feature
from mlops_cli.governance.candidate import provenance
from mlops_cli.monitoring.counts.comparison import without_time
from mlops_cli.monitoring.judging.models import WatchedModel
from mlops_cli.progress import Progress
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import ModelVersion
from mlops_cli.tracking.cache import bundle_folder


def watched_models(
    project: Project, versions: Iterable[str], *, progress: Progress
) -> dict[str, WatchedModel]:
    """The models of these versions (12 digits), as far as they are here or in the registry.

    One that cannot be had is told to `progress`, and left out.
    """
    wanted = [*dict.fromkeys(versions)]
    found = {v: m for v in wanted if (m := _here(project, v)) is not None}
    lacking = [v for v in wanted if v not in found]
    if lacking:
        found |= _registered(project, lacking, progress)
    return found


def _here(project: Project, version: str) -> WatchedModel | None:
    """The model of the work tree, whose metrics stand beside it."""
    bundle = _open(project.root / MODEL)
    if bundle is None or bundle.version != version:
        return None
    file = project.root / METRICS_FILE
    try:
        recorded = msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, float]])
    except (OSError, msgspec.DecodeError):
        return None
    return _model(project, bundle, recorded.get("holdout", {}))


def _registered(
    project: Project, versions: list[str], progress: Progress
) -> dict[str, WatchedModel]:
    try:
        tracker = open_tracker(project)
        known = {v.version: v for v in tracker.versions()}
    except EnvironmentFault as e:
        progress.log(f"of {', '.join(versions)} no model is known: {e.message}")
        return {}

    def each() -> Iterator[tuple[str, WatchedModel]]:
        for version in versions:
            try:
                bundle, metrics = _fetched(project, tracker, version, known.get(version))
                yield version, _model(project, bundle, metrics)
            except (BundleError, EnvironmentFault) as e:
                progress.log(f"the model {version} is not known: {e.message}")

    return dict(each())


def _fetched(
    project: Project, tracker: Any, version: str, registered: ModelVersion | None
) -> tuple[Bundle, Mapping[str, float]]:
    if registered is not None:
        return open_bundle(tracker.fetch(registered.digest)), registered.metrics
    for folder in (project.root / MODEL, bundle_folder(project.root, version)):
        if (bundle := _open(folder)) is not None and bundle.version == version:
            return bundle, {}
    raise EnvironmentFault(f"neither the registry at {tracker.address} nor this folder has it")


def _open(folder: Path) -> Bundle | None:
    try:
        return open_bundle(folder)
    except BundleError:
        return None


def _model(project: Project, bundle: Bundle, metrics: Mapping[str, float]) -> WatchedModel:
    trees = bundle.trees().features
    inputs = {i.name for i in bundle.manifest.inputs}
    return WatchedModel(
        manifest=bundle.manifest,
        profile=without_time(bundle.profile(), project.config.data.time, trees),
        features={t.name: render_feature(t.tree) for t in trees if t.name not in inputs},
        metrics=metrics,
        data=_data(project, bundle),
    )


def _data(project: Project, bundle: Bundle) -> str | None:
    """The digest of the data behind a bundle; None where rows were taken out of it since."""
    if (project.root / ERASED).exists():
        return None
    found = provenance(bundle).get("data_digest")
    return found if isinstance(found, str) else None
