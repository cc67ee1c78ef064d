"""An environment with exactly what was installed where a model was trained."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from mlops_cli._templates import template_folder
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.packaging.wheels import run_pip
from mlops_cli.progress import Progress

REQUIREMENTS = "environment.txt"
_PACKAGE = Path(__file__).resolve().parents[1]
_HERE = "with the packages of this environment instead: mlops reproduce --here"
_WHEEL = "Wheel-Version: 1.0\nGenerator: mlops-cli\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def make_environment(
    folder: Path, made: Mapping[str, Any], code: str, *, progress: Progress
) -> Path:
    """Make a virtual environment in `folder` of what a bundle's provenance names; its interpreter.

    Every package at its version, by the user's own pip; mlops-cli itself is this one where the
    digest of its `code` is the same, else the release of that name. Raises `UsageError` where the
    provenance names no packages, `EnvironmentFault` for a Python or a package that is not there.
    """
    recorded = made.get("environment")
    if not isinstance(recorded, dict):
        raise UsageError(
            "the version is of a release that did not record what was installed", hint=_HERE
        )
    python = _python(str(recorded["python"]))
    progress.update(f"making an environment of {len(recorded['packages'])} packages")
    _run([python, "-m", "venv", str(folder)], "no virtual environment can be made")
    inside = folder / "bin" / "python"
    lines = "".join(f"{name}=={version}\n" for name, version in recorded["packages"].items())
    (folder / REQUIREMENTS).write_text(lines, encoding="utf-8")
    asked = ["--no-deps", "--requirement", str(folder / REQUIREMENTS)]
    what = "the packages of then cannot be installed"
    ours = f"mlops-cli=={made.get('mlops_cli_version')}"
    if made.get("code_digest") == code:
        ours = str(_wheel(folder))
    try:
        run_pip(["install", *asked, ours], [], what=what, python=str(inside))
    except EnvironmentFault as e:
        raise EnvironmentFault(e.message, hint=f"{e.hint}; or go on {_HERE}") from e
    return inside


def _python(version: str) -> str:
    """An interpreter of that minor version; another patch release is told as a difference."""
    minor = ".".join(version.split(".")[:2])
    if minor == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    if found := shutil.which(f"python{minor}"):
        return found
    raise EnvironmentFault(
        f"the version was trained with Python {version}, and no python{minor} is on the PATH",
        hint=f"install it, or go on {_HERE}",
    )


def _wheel(folder: Path) -> Path:
    """A wheel of what runs here, be that a checkout or installed."""
    own = distribution("mlops-cli")
    info = f"mlops_cli-{own.version}.dist-info"
    wheel = folder / f"mlops_cli-{own.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for top, name in ((_PACKAGE, "mlops_cli"), (template_folder(), "mlops_cli/templates")):
            for file in sorted(p for p in top.rglob("*") if p.is_file()):
                if "__pycache__" not in file.parts:
                    archive.write(file, f"{name}/{file.relative_to(top).as_posix()}")
        for name in ("METADATA", "entry_points.txt"):
            archive.writestr(f"{info}/{name}", own.read_text(name) or "")
        archive.writestr(f"{info}/WHEEL", _WHEEL)
        names = dict.fromkeys([*archive.namelist(), f"{info}/RECORD"])
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in names))
    return wheel


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise EnvironmentFault(f"{what}: {said}", hint=_HERE)
