"""A model whose answers are watched: what it was fitted on, and what it was worth then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.profile import Profile


@dataclass(frozen=True, slots=True)
class WatchedModel:
    """A version: its manifest, and its profile without what only tells the time.

    `features` are SQL over the typed inputs, by name, of those features that are no plain input;
    `metrics` what its record says of the hold-out; `data` is the digest of the table of features
    and its plan that it was fitted on, None where that is not known.
    """

    manifest: Manifest
    profile: Profile
    features: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    data: str | None = None
