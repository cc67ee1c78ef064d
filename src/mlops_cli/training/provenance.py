"""Of what a model was made: digests of data, code and configuration; and when and where."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from mlops_cli import _git
from mlops_cli._files import sha256_of
from mlops_cli._json import canonical_json
from mlops_cli.config.model import Config
from mlops_cli.training.fitted_rows import FittedRows

PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Origin:
    """Digests (64 hex digits) and the project's commit, null outside git."""

    data: str
    config: str
    code: str
    commit: str | None

    def tags(self) -> dict[str, str]:
        """As tags of a run."""
        found = {
            "data_digest": self.data,
            "config_digest": self.config,
            "code_digest": self.code,
            "mlops_cli_version": version("mlops-cli"),
        }
        return found | ({"git_commit": self.commit} if self.commit else {})


def origin(root: Path, config: Config, sections: Sequence[str], files: Sequence[str]) -> Origin:
    """The origin of work on `files` of the project folder `root` by `sections` of `mlops.yaml`."""
    said = config.model_dump(mode="json", by_alias=True, include=set(sections))
    digests = "".join(sha256_of(root / name) for name in files)
    return Origin(
        data=hashlib.sha256(digests.encode()).hexdigest(),
        config=hashlib.sha256(canonical_json(said)).hexdigest(),
        code=_code(),
        commit=_git.head(root),
    )


def provenance(of: Origin, run_id: str | None, fitted: FittedRows) -> dict[str, object]:
    """The content of `provenance.json`, which stands outside the bundle's digest."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "git_commit": of.commit,
        "run_id": run_id,
        "fitted": fitted,
        **{f"{name}_digest": getattr(of, name) for name in ("data", "config", "code")},
        "mlops_cli_version": version("mlops-cli"),
    }


def _code() -> str:
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0")
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()
