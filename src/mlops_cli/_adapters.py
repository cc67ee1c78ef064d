"""The one seam through which engines and services are loaded, so that nothing else need be lazy.

A name that is none of ours is looked for among the entry points of other packages: the group
`mlops_cli.estimators`, `mlops_cli.targets` or `mlops_cli.gates` leads to a module as ours are.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, metadata
from types import ModuleType
from typing import Literal

from mlops_cli.errors import EnvironmentFault, UsageError

Kind = Literal["estimator", "target", "gate"]


def load_adapter(module: str, *, extra: str | None = None) -> ModuleType:
    """Import an adapter by its full name.

    Raises `EnvironmentFault` naming the missing package, and the extra that brings it, where the
    library that the adapter stands on is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as e:
        missing = (e.name or "").partition(".")[0]
        if missing == "mlops_cli":
            raise
        brings = extra or (missing if missing in _extras() else None)
        package = f"mlops-cli[{brings}]" if brings else "mlops-cli"
        raise EnvironmentFault(
            f"the package {missing!r} is not installed, and {module} needs it",
            hint=f"pip install '{package}'",
        ) from e


def _extras() -> list[str]:
    """Our extras; most are named as the package is that they bring."""
    try:
        return metadata("mlops-cli").get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []


def load_named(kind: Kind, name: str, ours: Mapping[str, str]) -> ModuleType:
    """The module of that name: one of `ours`, else what another package brings.

    Raises `UsageError` for a name that nobody has or two packages have, `EnvironmentFault` where
    the other package's module cannot be imported or has no `open_KIND`.
    """
    if name in ours:
        return load_adapter(ours[name])
    found = _entry_points(kind)
    named = [point for point in found if point.name == name]
    if not named:
        known = ", ".join(dict.fromkeys([*ours, *(point.name for point in found)]))
        raise UsageError(
            f"there is no {kind} {name!r}",
            hint=f"known: {known}; another package brings one by an entry point of the group "
            f"{_group(kind)}",
        )
    if len({point.value for point in named}) > 1:
        owners = ", ".join(sorted(_owner(point) for point in named))
        raise UsageError(
            f"{owners} each bring the {kind} {name!r}", hint="uninstall all of them but one"
        )
    return _loaded(kind, named[0])


def is_named(kind: Kind, name: str) -> bool:
    """Whether another package brings something of that name."""
    return any(point.name == name for point in _entry_points(kind))


def _loaded(kind: Kind, point: EntryPoint) -> ModuleType:
    try:
        module = point.load()
    except Exception as e:
        raise EnvironmentFault(
            f"the {kind} {point.name!r} of {_owner(point)} cannot be loaded: "
            f"{type(e).__name__}: {str(e)[:300]}",
            hint=f"install another version of {_owner(point)}, or tell its authors",
        ) from e
    if not isinstance(module, ModuleType) or not hasattr(module, f"open_{kind}"):
        raise EnvironmentFault(
            f"the {kind} {point.name!r} of {_owner(point)} leads to {point.value}, which is no "
            f"module with a function open_{kind}",
            hint="CONTRIBUTING.md shows what it has to be",
        )
    return module


def _entry_points(kind: Kind) -> list[EntryPoint]:
    return list(entry_points(group=_group(kind)))


def _group(kind: Kind) -> str:
    return f"mlops_cli.{kind}s"


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value
