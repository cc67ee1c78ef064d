"""A model with what was decided of it, and how it becomes a version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_cli._adapters import load_adapter
from mlops_cli.audit.entry import Entry
from mlops_cli.audit.graph import FIRST
from mlops_cli.audit.log import every_entry
from mlops_cli.config.paths import FEATURE_REGISTRY
from mlops_cli.config.project import Project
from mlops_cli.governance.candidate import RECIPE, Candidate, provenance
from mlops_cli.governance.decision import Decision
from mlops_cli.governance.evidence import evidence
from mlops_cli.governance.line import WORTH, tag_of, worth_of
from mlops_cli.tracking.base import ModelVersion, Tracker

EVIDENCE = "mlops.evidence"  # a version's tag: what it was made from, as in its entry


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was judged: the workspace's, or an imported one; and the registry in force.

    `made_from` are the digests of what an imported one was made from; `tags` are of its version
    alone.
    """

    project: Project
    tracker: Tracker
    candidate: Candidate
    decision: Decision
    made_from: Mapping[str, str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def before(self) -> str | None:
        """The digest of the champion that it was compared with."""
        named = self.decision.champion_before
        return named.digest if named else None

    @property
    def imported(self) -> bool:
        """Whether it was trained elsewhere, and not from what the workspace holds."""
        return self.made_from is not None

    def evidence(self) -> dict[str, str]:
        """What it was made from, and what its decision rests on, by digest."""
        return evidence(self.project) if self.made_from is None else dict(self.made_from)

    def entries(self) -> dict[str, Entry]:
        """Every entry of the log that the file or the registry has."""
        return every_entry(self.project.root, self.tracker)


def register_version(model: Model) -> ModelVersion:
    """The version of the model in the registry, made where there is none yet.

    Raises as `enter_features`: its registered features are what their versions say, and approved.
    """
    candidate, config = model.candidate, model.project.config
    features = _registered_features(model)
    run_id = provenance(candidate.bundle).get("run_id")
    worth = worth_of(candidate.bundle.manifest, config.metric, candidate.metrics)
    return model.tracker.register(
        candidate.bundle,
        run_id=run_id if isinstance(run_id, str) else None,
        metrics={k: v for k, v in candidate.metrics.items() if v is not None},
        tags={
            "metric": config.metric,
            RECIPE: config.features.model_dump_json(by_alias=True),
            EVIDENCE: json.dumps(model.evidence(), sort_keys=True),
            **({WORTH: tag_of(worth)} if worth else {}),
            **features,
            **model.tags,
        },
    )


def _registered_features(model: Model) -> dict[str, str]:
    """The tag of `enter_features`; what reads features is loaded where some are registered."""
    if model.imported or not (model.project.root / FEATURE_REGISTRY).is_file():
        return {}
    features = load_adapter("mlops_cli.governance.features")
    of = {f.name for f in model.candidate.bundle.manifest.features}
    tag: dict[str, str] = features.enter_features(
        model.project, model.entries(), model.tracker, of=of
    )
    return tag


def subject_of(decision: Decision) -> dict[str, str]:
    """What an entry about the decision names: the model, and whom it was compared with.

    `before` is whose place it takes; where it was compared with nobody by wish, it says `first`.
    """
    before = decision.champion_before
    known = before is not None and before.digest != decision.digest
    subject = {"digest": decision.digest} | ({"before": before.digest} if before and known else {})
    return subject | ({FIRST: "true"} if decision.first else {})
