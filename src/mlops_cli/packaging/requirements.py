"""What serving needs to be installed, at the versions that stand in this environment."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

from mlops_cli.bundle.manifest import ModelKind
from mlops_cli.bundle.reader import Bundle
from mlops_cli.bundle.requirements import ENGINES, ROOTS, canonical_name, format_requirements
from mlops_cli.errors import EnvironmentFault

# The same library without CUDA: 480 MB less, the same version and the same numbers.
_STANDS_FOR = {"xgboost": "xgboost-cpu"}
# What the engines name and serving never imports: of XGBoost the C library alone is used, and only
# ONNX Runtime's tools need the others.
_LEFT_OUT = re.compile(r"nvidia-.*|scipy|flatbuffers|packaging|protobuf|sympy|mpmath")
_IMAGE = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "extra": ""}


def serving_requirements(kind: ModelKind) -> str:
    """A requirements.txt of exact versions, sorted by name, that serves a model of this kind.

    It holds what serving imports and everything below that, resolved from what is installed here
    (so an image gets training's versions) with the markers of Linux, where the image runs.
    Raises `EnvironmentFault` for a package that is not installed.
    """
    found: dict[str, str] = {}
    waiting = [ENGINES[kind], *ROOTS]
    while waiting:
        name = canonical_name(waiting.pop())
        if name in found or _LEFT_OUT.fullmatch(name):
            continue
        package = _installed(name)
        found[name] = package.version
        waiting += _needed_by(package)
    return format_requirements({_STANDS_FOR.get(n, n): v for n, v in found.items()})


def image_requirements(bundle: Bundle) -> str:
    """What an image of the bundle installs: an earlier release named more than serving imports."""
    kept = {n: v for n, v in bundle.requirements().items() if not _LEFT_OUT.fullmatch(n)}
    return format_requirements(kept)


def _needed_by(package: Distribution) -> list[str]:
    asked = (Requirement(r) for r in package.requires or ())
    return [r.name for r in asked if r.marker is None or r.marker.evaluate(_IMAGE)]


def _installed(name: str) -> Distribution:
    for candidate in (name, _STANDS_FOR.get(name, name)):
        try:
            return distribution(candidate)
        except PackageNotFoundError:
            continue
    raise EnvironmentFault(
        f"the package {name!r}, which serving needs, is not installed",
        hint="pip install mlops-cli again: it is one of its dependencies",
    )
