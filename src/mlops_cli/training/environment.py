"""What is installed where a model is trained, so that the same can be installed again."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from mlops_cli.bundle.requirements import canonical_name

# They are no part of what computes: ours is named by its release and the digest of its code.
_LEFT_OUT = ("pip", "mlops-cli")


@dataclass(frozen=True, slots=True)
class Installed:
    """Python's version, the system (`Linux x86_64`), and each package's version by its name."""

    python: str
    system: str
    packages: dict[str, str]


def installed() -> Installed:
    """What this process finds, by the names of the folders that describe packages.

    To read what stands in them would take a tenth of a second for two hundred packages.
    """
    packages: dict[str, str] = {}
    for folder in sys.path:
        for info in Path(folder or ".").glob("*.dist-info"):
            name, _, version = info.stem.partition("-")
            packages.setdefault(canonical_name(name), version)
    kept = {name: packages[name] for name in sorted(packages) if name not in _LEFT_OUT}
    return Installed(platform.python_version(), f"{platform.system()} {platform.machine()}", kept)
