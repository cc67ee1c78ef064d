"""The line of champions, and which of them is its best by what was recorded of each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from mlops_cli._json import canonical_json
from mlops_cli.audit.entry import Entry
from mlops_cli.audit.graph import line
from mlops_cli.bundle.manifest import Manifest
from mlops_cli.config.metrics import LESS_IS_BETTER
from mlops_cli.governance.promotion import usable
from mlops_cli.tracking.base import ModelVersion

WORTH = "mlops.worth"  # a version's tag: what it was surely worth when it was registered
LAST = 10  # champions among which the best is sought


class Worth(msgspec.Struct, frozen=True):
    """The lower end of a version's 95 % interval on the hold-out of its own registration.

    `low` is of `metric`, with its sign turned where less is better; `question` (64 hex digits)
    names task, target and classes.
    """

    low: float
    metric: str
    question: str


@dataclass(frozen=True, slots=True)
class Line:
    """The last champions that a candidate may be held to, the best of them first.

    `lost` are the digests of those that the log knows and the registry does not.
    """

    best_first: tuple[ModelVersion, ...]
    lost: tuple[str, ...] = ()


def worth_of(manifest: Manifest, metric: str, metrics: Mapping[str, float | None]) -> Worth | None:
    """What is recorded of a model with its hold-out `metrics`; None where no interval is known."""
    greater = metric not in LESS_IS_BETTER
    end = metrics.get(f"{metric}_{'low' if greater else 'high'}")
    if end is None:
        return None
    return Worth(end if greater else -end, metric, question_of(manifest))


def question_of(manifest: Manifest) -> str:
    """What names the question that a model answers: its task, its target, its classes."""
    asked = (manifest.task, manifest.target, manifest.classes)
    return hashlib.sha256(canonical_json(asked)).hexdigest()


def tag_of(worth: Worth) -> str:
    """The worth as the tag `WORTH` has it."""
    return msgspec.json.encode(worth).decode()


def line_of(
    entries: Mapping[str, Entry], versions: Sequence[ModelVersion], metric: str, question: str
) -> Line:
    """The line of the log's champions since the last that was compared with none.

    Of a version without a worth, of another metric or of another question, nothing is known that
    could be held against that of others: it is not among them.
    """
    known = {version.digest: version for version in versions}
    digests = line(entries)
    there = [known[digest] for digest in digests if digest in known]
    ranked: list[tuple[float, int, ModelVersion]] = []
    for version in filter(usable, there):
        worth = _recorded(version)
        if worth is not None and (worth.metric, worth.question) == (metric, question):
            ranked.append((worth.low, len(ranked), version))
    best = sorted(ranked[-LAST:], key=lambda found: found[:2], reverse=True)
    lost = tuple(digest for digest in digests[-LAST:] if digest not in known)
    return Line(tuple(version for _, _, version in best), lost)


def _recorded(version: ModelVersion) -> Worth | None:
    try:
        return msgspec.json.decode(version.tags.get(WORTH, ""), type=Worth)
    except msgspec.DecodeError:
        return None
