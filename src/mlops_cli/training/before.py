"""The version that a fit goes on from, and what it may not do then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from mlops_cli.bundle.manifest import MODEL_FILES, Feature
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.model import Config
from mlops_cli.config.project import Project
from mlops_cli.errors import InconclusiveError, UsageError
from mlops_cli.tracking import open_tracker
from mlops_cli.training.base import Estimator, Fitted, Params, Part
from mlops_cli.training.fitted_rows import unseen_by

if TYPE_CHECKING:
    from mlops_cli.training.data import Events

_ANEW = "remove train.update in mlops.yaml, and train from nothing"


@dataclass(frozen=True, slots=True)
class Before:
    """A version whose model is the beginning of the next one."""

    version: str
    features: tuple[Feature, ...]
    content: bytes

    def go_on(self, estimator: Estimator, parts: tuple[Part, Part], params: Params) -> Fitted:
        """The next model; raises `InconclusiveError` where nothing more is to be learned."""
        fitted, added = estimator.update(parts, params, self.content)
        if not added:
            raise InconclusiveError(
                f"no further round makes {self.version} better on the validation part",
                hint=f"it needs other data; or {_ANEW}",
            )
        return fitted


def before_of(project: Project, events: Events) -> Before | None:
    """The version that `train.update` names; None where it names none.

    Raises `UsageError` where the registry lacks it, where its inputs or features are others, where
    a category is new to it, and where it was fitted on rows of the hold-out.
    """
    if (version := project.config.train.update) is None:
        return None
    tracker = open_tracker(project)
    known = next((v for v in tracker.versions() if v.version == version), None)
    if known is None:
        raise UsageError(
            f"mlops.yaml: train.update names {version}, which {tracker.address} does not have",
            hint="mlops train --update writes the champion there",
        )
    bundle = open_bundle(tracker.fetch(known.digest))
    if why := next(_reasons(bundle, events, project.config), None):
        raise UsageError(f"{version} cannot be gone on from: {why}", hint=_ANEW)
    manifest = bundle.manifest
    content = (bundle.path / MODEL_FILES[manifest.model]).read_bytes()
    return Before(version, manifest.features, content)


def _reasons(bundle: Bundle, events: Events, config: Config) -> Iterator[str]:
    ours = {f.name: f.kind for f in events.plan.features}
    theirs = {f.name: f.kind for f in bundle.manifest.features}
    if ours != theirs or bundle.trees().features != events.plan.trees:
        changed = sorted({name for name, _ in ours.items() ^ theirs.items()})
        yield f"its features are others ({', '.join(changed) or 'in how they are made'})"
        return
    if bundle.manifest.classes != events.plan.classes:
        yield "its classes are others"
    for feature in bundle.manifest.features:
        if feature.kind == "category" and (new := _new_in(events, feature)) is not None:
            yield f"{feature.name} has the category {new!r}, which it does not know"
    apart = unseen_by(bundle, events, config)
    if apart is None or len(apart) < len(events.split.holdout):
        yield "it may have been fitted on rows of the hold-out, which would then prove nothing"


def _new_in(events: Events, feature: Feature) -> str | None:
    column = events.rows(events.split.fitted, [feature.name])[feature.name]
    listed = pa.array(feature.categories or (), pa.string())
    values = pc.unique(column.cast(pa.string())).drop_null()
    new = values.filter(pc.invert(pc.is_in(values, value_set=listed)))
    return new[0].as_py() if len(new) else None
