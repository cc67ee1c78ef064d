"""The commands `features materialize` and `features get`: the online store, filled and read."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlops_cli._locks import locked
from mlops_cli.bundle.online import OnlinePlan
from mlops_cli.config.paths import CONFIG
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.expressions.values import Refused, converter, to_timestamp
from mlops_cli.features.base import Layout, load_schemas
from mlops_cli.features.layout import check_features
from mlops_cli.features.materialize import open_buckets
from mlops_cli.features.online import Source, online_plan, online_rows
from mlops_cli.features.table import online_of, rejected_rows
from mlops_cli.progress import QUIET, Progress
from mlops_cli.serving.online.base import State, Store, StoreAway
from mlops_cli.serving.online.lookup import Looked, Lookup, Wanted
from mlops_cli.serving.online.opened import open_reader, open_writer
from mlops_cli.serving.online.parts import EPOCH, MICROSECOND, micros, plain
from mlops_cli.tables import open_engine

_LOCK = "online/lock"


@dataclass(frozen=True, slots=True)
class MaterializeResult:
    """What the store holds now: rows up to `until`, of so many keys and moments.

    `changed` buckets were written or removed; the others were there already.
    """

    store: str
    until: str
    features: tuple[str, ...]
    keys: int
    moments: int
    changed: int


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The features of a key as they were known `at` a moment; the store knows rows up to `until`.

    `expired`: the store was filled longer before than `features.online.ttl`, and all are null.
    """

    values: Mapping[str, Any]
    at: str
    until: str
    expired: bool


def materialize(
    project: Project, *, until: str | None = None, progress: Progress = QUIET
) -> MaterializeResult:
    """Put the rows up to the moment `until` (default: now) of all features that are looked up.

    All of it or nothing; what is there already is left, and what changed is repaired, however far
    back. Raises `UsageError` where nothing is looked up or `until` is no moment,
    `EnvironmentFault` where the store is away, full, or being filled by another process.
    """
    found = _found(project)
    end = _moment(until, "--until")
    busy = EnvironmentFault("another process fills the online store", hint="try again")
    with (
        locked(project.cache / _LOCK, otherwise=busy),
        open_engine(temporary=project.temporary) as engine,
        open_writer(project.online or "", project.config.project) as store,
    ):
        progress.update("reading the tables")
        rows = list(online_rows(engine, found.sources, rejected_rows(project), micros(end)))
        buckets = open_buckets(engine, rows, store.state())
        state = State(micros(end), micros(_now()), buckets.groups)
        progress.update(f"filling {_shown(project)}")
        changed = store.replace(state, buckets.chunks())
    return MaterializeResult(
        store=_shown(project),
        until=_said(end),
        features=tuple(f.name for f in found.plan.features),
        keys=buckets.filled.keys,
        moments=buckets.filled.moments,
        changed=changed,
    )


def get_features(project: Project, keys: Sequence[str], *, at: str | None = None) -> LookupResult:
    """The features that the `keys` (each COLUMN=VALUE) name the rows of, at a moment (or now).

    Raises `UsageError` for a key that no feature is looked up by, a value that is none of its
    column's, and where keys lack; `EnvironmentFault` where the store cannot be asked.
    """
    found, moment = _found(project), _moment(at, "--at")
    given = _given(found, keys)
    names = [f.name for f in found.plan.features if set(f.keys) <= given.keys()]
    if not names:
        lacking = [k for k in found.plan.features[0].keys if k not in given]
        raise UsageError(
            f"no feature is looked up by {', '.join(given) or 'nothing'} alone",
            hint=" ".join(f"--key {key}=..." for key in lacking),
        )
    looked = _read(
        open_reader(project.online or "", project.config.project),
        Lookup(found.plan),
        Wanted(micros(moment), given, names),
    )
    return LookupResult(
        values={name: plain(value) for name, value in looked.values.items()},
        at=_said(moment),
        until=_said(EPOCH + looked.until * MICROSECOND),
        expired=looked.expired,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    plan: OnlinePlan
    sources: tuple[Source, ...]
    layout: Layout


def _found(project: Project) -> _Found:
    schemas = load_schemas(project)
    layout = check_features(project.config, schemas, project.root)
    sources = online_of(project, schemas)
    plan = online_plan(project.config, sources, schemas[project.config.data.table])
    if plan is None:
        raise UsageError(
            f"{CONFIG}: no feature is looked up",
            hint="features.online: sqlite, and `source: online` in a join or an aggregate",
        )
    return _Found(plan, sources, layout)


def _given(found: _Found, keys: Sequence[str]) -> dict[str, Any]:
    forms, known, given = found.layout.forms, found.plan.keys, {}
    for text in keys:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--key {text}: not COLUMN=VALUE", hint="--key origin=JFK")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"keys: {', '.join(known)}"
            raise UsageError(f"--key {name}: no feature is looked up by it", hint=hint)
        kind, form = found.layout.event[name], forms[name]
        try:
            said = _json(value) if kind in ("integer", "float") else value
            given[name] = converter(kind, form.missing, form.format)[1](said)
        except Refused as e:
            raise UsageError(f"--key {name}: {e}", hint=f"{name} is {kind}") from e
    return given


def _json(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _read(store: Store, lookup: Lookup, wanted: Wanted) -> Looked:
    try:
        steps = lookup.steps([wanted])
        asks = next(steps)
        while True:
            asks = steps.send(store.read(asks))
    except StopIteration as e:
        looked: list[Looked] = e.value
        return looked[0]
    except StoreAway as e:
        raise EnvironmentFault(str(e), hint="mlops features materialize") from e


def _moment(text: str | None, option: str) -> datetime:
    if text is None:
        return _now()
    try:
        return to_timestamp(text)
    except Refused as e:
        raise UsageError(f"{option}: {e}", hint="such as 2013-02-08T12:00:00Z") from e


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _said(moment: datetime) -> str:
    return f"{moment.isoformat()}Z"


def _shown(project: Project) -> str:
    """Which store it is, without what its address may hold of secrets."""
    url = project.online or ""
    return url if "@" not in url else f"{url.partition('://')[0]}://{url.rpartition('@')[2]}"
