"""A user's machine with secrets on it, whose every output and file is searched for them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import planted

HERE = Path(sys.executable).parent
TABLE = "data/raw/parcels.csv"


@dataclass
class Machine:
    """A user's machine with secrets on it; every command's output is kept and searched."""

    folder: Path
    home: Path
    temporary: Path
    planted: set[Path]
    said: dict[str, bytes] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        return self.folder / "parcels"

    def mlops(self, *arguments: str, cwd: Path | None = None, code: int = 0, **more: str) -> bytes:
        """Run a command; its exit code must be `code`."""
        return self.run([str(HERE / "mlops"), *arguments], cwd=cwd, codes=(code,), **more)

    def run(
        self,
        command: list[str],
        *,
        cwd: Path | None = None,
        codes: tuple[int, ...] = (0,),
        **more: str,
    ) -> bytes:
        """Run a program in the project, with all the secrets in its environment."""
        done = subprocess.run(
            command,
            cwd=cwd or self.project,
            env=self.environment() | more,
            capture_output=True,
            timeout=300,
        )
        name = f"{len(self.said)} {' '.join(command[1:])} {more}"
        self.said[name] = done.stdout + done.stderr
        assert done.returncode in codes, (name, self.said[name].decode())
        return done.stdout

    def environment(self) -> dict[str, str]:
        """The test's own environment with the secrets, another home and another /tmp."""
        return {
            **os.environ,
            **planted.environment(),
            "PATH": f"{HERE}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(self.home / ".cache")),
            "XDG_STATE_HOME": str(self.home / ".state"),
            "DVC_SITE_CACHE_DIR": str(self.home / "dvc"),
            "TMPDIR": str(self.temporary),
        }

    def leaks(self) -> dict[str, set[str]]:
        """Where a secret was said or left."""
        spoken = {name: planted.found_in(text) for name, text in self.said.items()}
        found = {name: secrets for name, secrets in spoken.items() if secrets}
        found |= planted.leaks([self.folder, self.home, self.temporary], self.planted)
        if secrets := planted.leaks_in_git(self.project):
            found["git"] = secrets
        return found
