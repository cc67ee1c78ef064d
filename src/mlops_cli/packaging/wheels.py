"""Serving's wheels for an image's platform: fetched once with the user's own pip, and locked."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from mlops_cli._files import replacing_folder, sha256_of, write_text
from mlops_cli.bundle.requirements import canonical_name
from mlops_cli.errors import EnvironmentFault
from mlops_cli.progress import Progress

LOCK = "requirements.lock"
_LIMIT = 1800  # seconds that pip may take
_SHOWN = 800  # characters of what pip says
# Newest first; a wheel names the least that it needs, and Debian 12 has glibc 2.36.
_GLIBC = ("manylinux_2_34", "manylinux_2_31", "manylinux_2_28", "manylinux_2_27", "manylinux_2_24",
          "manylinux_2_17", "manylinux2014", "manylinux2010", "manylinux1")  # fmt: skip
_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Environment:
    """What is installed and for whom: a requirements.txt, Python's minor version, a machine.

    `machine` is Docker's word for it (`amd64`).
    """

    requirements: str
    python: str
    machine: str

    @property
    def key(self) -> str:
        """Names this environment in the cache."""
        text = "\0".join((self.lines, self.python, self.machine))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def lines(self) -> str:
        """The requirements as this machine has them: xgboost-cpu is built for x86_64 alone."""
        if self.machine in ("amd64", "x86_64"):
            return self.requirements
        return re.sub(r"(?m)^xgboost-cpu==", "xgboost==", self.requirements)

    def options(self) -> list[str]:
        """pip's options that choose wheels for it, whatever this machine is."""
        machine = _MACHINES.get(self.machine, self.machine)
        platforms = [x for name in _GLIBC for x in ("--platform", f"{name}_{machine}")]
        python = ["--implementation", "cp", "--python-version", self.python]
        return ["--no-deps", "--only-binary", ":all:", *platforms, *python]


def cache_folder() -> Path:
    """Where what was fetched and installed is kept, for all projects of this user."""
    return platformdirs.user_cache_path("mlops-cli") / "images"


def fetch_wheels(environment: Environment, *, progress: Progress) -> Path:
    """The folder of the environment's wheels and of `requirements.lock`, which has their hashes.

    Only the first call for an environment uses the network: pip with the user's own
    configuration, index and proxy. Raises `EnvironmentFault` with pip's reason.
    """
    folder = cache_folder() / environment.key / "wheels"
    if (folder / LOCK).is_file():
        return folder
    progress.update("fetching serving's wheels, once")
    with replacing_folder(folder) as new:
        write_text(new / "requirements.txt", environment.lines)
        run_pip(
            ["download", "--dest", str(new), *environment.options()],
            ["--requirement", str(new / "requirements.txt")],
            what="serving's wheels cannot be fetched",
        )
        write_text(new / LOCK, _lock(environment.lines, new))
    return folder


def run_pip(
    command: Sequence[str], more: Sequence[str], *, what: str, python: str | None = None
) -> None:
    """Run pip of `python` (default: this one); `EnvironmentFault` says `what` failed, and why."""
    python = python or sys.executable
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    whole = [python, "-m", "pip", command[0], *quiet, *command[1:], *more]
    try:
        found = subprocess.run(
            whole, capture_output=True, text=True, errors="replace", timeout=_LIMIT, check=False
        )
    except subprocess.TimeoutExpired as e:
        raise EnvironmentFault(f"{what}: pip took more than {_LIMIT} s", hint=_INDEX) from e
    if found.returncode == 0:
        return
    if "No module named pip" in found.stderr:
        raise EnvironmentFault(
            f"{what}: {python} has no pip",
            hint=f"{python} -m ensurepip (or with uv: uv pip install pip)",
        )
    raise EnvironmentFault(f"{what}: {_reason(found.stderr)}", hint=_INDEX)


def _reason(said: str) -> str:
    errors = [x for x in said.splitlines() if x.startswith("ERROR:")]
    return re.sub(r"//[^/@\s]*@", "//***@", " ".join(errors or said.split())[-_SHOWN:])


def _lock(requirements: str, folder: Path) -> str:
    hashes = {_project(w.name): sha256_of(w) for w in folder.glob("*.whl")}
    lines = requirements.split()
    return "".join(f"{x} --hash=sha256:{hashes[canonical_name(x.split('==')[0])]}\n" for x in lines)


def _project(wheel: str) -> str:
    return canonical_name(wheel.split("-", 1)[0])


_INDEX = "pip's own configuration decides index, proxy and certificates: pip config list"
