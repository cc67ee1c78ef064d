"""The model of the workspace: its bundle, its metrics, and what it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli.bundle.manifest import PROVENANCE
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import METRICS_FILE, MODEL
from mlops_cli.errors import DataError

IMPORTED = "imported"  # of a bundle's provenance, where its model was trained elsewhere
RECIPE = "features"  # a version's tag: the section of `mlops.yaml` by which it was made


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model that has not been judged; `metrics` are those of the hold-out."""

    bundle: Bundle
    metrics: dict[str, float | None]


def read_candidate(root: Path) -> Candidate:
    """The model that was trained last in the project's folder `root`.

    Raises `DataError` where its metrics cannot be read, `BundleError` where it is not whole.
    """
    file = root / METRICS_FILE
    try:
        holdout = msgspec.json.decode(file.read_bytes())["holdout"]
        metrics = msgspec.convert(holdout, dict[str, float | None], strict=False)
    except (OSError, msgspec.DecodeError, KeyError, TypeError, msgspec.ValidationError) as e:
        raise DataError(f"{METRICS_FILE}: {str(e)[:200]}", hint="mlops train") from e
    return Candidate(open_bundle(root / MODEL), metrics)


def provenance(bundle: Bundle) -> dict[str, Any]:
    """What the bundle says of its making; nothing where that cannot be read."""
    try:
        return msgspec.json.decode((bundle.path / PROVENANCE).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return {}
