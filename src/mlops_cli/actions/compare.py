"""The command `compare`: what differs between two commits, experiments, versions or runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_cli._json import canonical_json
from mlops_cli.config.project import Project
from mlops_cli.pipeline.snapshots import MADE_OF, WORKSPACE, Kind, Snapshot, snapshot

_ENDS = ("_low", "_high")
_VALIDATION = "validation_"


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared: `id` is a commit, a digest or a run's id, null for the work tree.

    `model` is the version of the model that stands there.
    """

    name: str
    kind: Kind
    id: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that differs; null is one that is not there."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """A metric of both sides on the hold-out (`validation_*`: on the validation part).

    `interval` is the 95 % interval, where the run made one; `difference` is B less A.
    """

    name: str
    a: float | None
    b: float | None
    a_interval: tuple[float, float] | None
    b_interval: tuple[float, float] | None
    difference: float | None


@dataclass(frozen=True, slots=True)
class CompareResult:
    """Two sides, all their metrics, and of everything else what differs.

    A list is null where a side does not tell: a run knows its parameters and the digest of its
    features, a version those and its features, a commit all of it. `data` are tables by their
    digests, `contracts` and `settings` values by key, `features` the names that one side has.
    """

    a: Side
    b: Side
    metrics: list[MetricComparison]
    params: list[Difference] | None
    data: list[Difference] | None
    contracts: list[Difference] | None
    features: list[Difference] | None
    settings: list[Difference] | None
    remarks: list[str]


def compare(project: Project, a: str, b: str = WORKSPACE) -> CompareResult:
    """Compare what `a` and `b` name; by default `a` with the work tree.

    A name is `workspace`, a git revision, an experiment of DVC, a version (`champion`, 12 digits,
    `models:/NAME/3`) or a run's id, looked for in that order. Nothing is run and nothing written.
    Raises `UsageError` for a name that is none of them.
    """
    first, second = snapshot(project, a), snapshot(project, b)
    return CompareResult(
        a=_side(first),
        b=_side(second),
        metrics=metric_comparisons(first.metrics or {}, second.metrics or {}),
        params=_differences(first.params, second.params),
        data=_data(first.data, second.data),
        contracts=_differences(first.contracts, second.contracts),
        features=_differences(_present(first.features), _present(second.features)),
        settings=_differences(first.settings, second.settings),
        remarks=_remarks(first, second),
    )


def _side(of: Snapshot) -> Side:
    return Side(of.name, of.kind, of.id, of.model)


def metric_comparisons(a: Mapping[str, float], b: Mapping[str, float]) -> list[MetricComparison]:
    """Each metric of both sides, with what difference there is."""
    names = [n for n in dict.fromkeys([*a, *b]) if not _is_end(n, a) and not _is_end(n, b)]
    # With an interval comes the main metric; the validation part last.
    main = {n for n in names if _interval(n, a) or _interval(n, b)}
    names.sort(key=lambda n: (n.startswith(_VALIDATION), n not in main))
    return [
        MetricComparison(
            name=name,
            a=a.get(name),
            b=b.get(name),
            a_interval=_interval(name, a),
            b_interval=_interval(name, b),
            difference=b[name] - a[name] if name in a and name in b else None,
        )
        for name in names
    ]


def _is_end(name: str, metrics: Mapping[str, float]) -> bool:
    return any(name.endswith(end) and name.removesuffix(end) in metrics for end in _ENDS)


def _interval(name: str, metrics: Mapping[str, float]) -> tuple[float, float] | None:
    low, high = (metrics.get(name + end) for end in _ENDS)
    return None if low is None or high is None else (low, high)


def _differences(
    a: Mapping[str, Any] | None, b: Mapping[str, Any] | None
) -> list[Difference] | None:
    if a is None or b is None:
        return None
    return [
        Difference(name, a.get(name), b.get(name))
        for name in dict.fromkeys([*a, *b])
        if canonical_json(a.get(name)) != canonical_json(b.get(name))  # 1, 1.0 and true differ
    ]


def _data(a: Mapping[str, str] | None, b: Mapping[str, str] | None) -> list[Difference] | None:
    """Of tables that both sides know: a run and a version know their table of features alone."""
    if a is None or b is None:
        return None
    both = a.keys() & b.keys() if 1 in (len(a), len(b)) else a.keys() | b.keys()
    return _differences(
        {k: v for k, v in a.items() if k in both}, {k: v for k, v in b.items() if k in both}
    )


def _present(names: tuple[str, ...] | None) -> dict[str, bool] | None:
    return None if names is None else dict.fromkeys(names, True)


def _remarks(a: Snapshot, b: Snapshot) -> list[str]:
    said = [f"{s.name} has no metrics: nothing was trained there" for s in (a, b) if not s.metrics]
    said += [
        f"what DVC keeps of {s.name} is not in this clone, so its parameters and features are not "
        "compared: `dvc fetch --all-commits` brings it"
        for s in (a, b)
        if s.incomplete
    ]
    if a.metrics and b.metrics and _other_rows(a, b):
        said.append(
            "data or split differ, so the metrics are of different rows: `mlops report` compares "
            "the trained model with the champion on the same ones"
        )
    return said


def _other_rows(a: Snapshot, b: Snapshot) -> bool:
    settings = _differences(a.settings, b.settings) or ()
    split = any(d.name.startswith(("split.", "data.")) for d in settings)
    differing = {d.name for d in _data(a.data, b.data) or ()}
    if ((a.data or {}).keys() & (b.data or {}).keys()) - {MADE_OF}:
        differing.discard(MADE_OF)  # of the same tables: other columns, and the same rows
    return split or bool(differing)
