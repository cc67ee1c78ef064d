"""Of what a model was made: digests of data, code and configuration; and when and where."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from mlops_cli import _git
from mlops_cli._files import digest_of_files
from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import Feature
from mlops_cli.config.model import Config
from mlops_cli.config.paths import FEATURES_PLAN, FEATURES_TABLE
from mlops_cli.tracking.base import DatasetRecord, Role
from mlops_cli.training.environment import installed
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
    return Origin(
        data=data_digest(root, files),
        config=hashlib.sha256(canonical_json(said)).hexdigest(),
        code=code_digest(),
        commit=_git.head(root),
    )


def data_digest(root: Path, files: Sequence[str] = (FEATURES_TABLE, FEATURES_PLAN)) -> str:
    """What names the content of files of the project: by default of the features."""
    return digest_of_files(root / name for name in files)


def datasets(
    config: Config, features: Sequence[Feature], digest: str, rows: Mapping[Role, int]
) -> list[DatasetRecord]:
    """The parts of the table of features that a run read, for what each, as the tracker has it.

    Their names tell them apart, also between runs: MLflow keeps one of a name and a digest.
    """
    columns = {f.name: f.kind == "numeric" for f in features}
    name = Path(config.data.table).stem
    return [
        DatasetRecord(f"{name} {role} ({n} rows)", role, digest, FEATURES_TABLE, n, columns)
        for role, n in rows.items()
    ]


def provenance(of: Origin, run_id: str | None, fitted: FittedRows) -> dict[str, object]:
    """The content of `provenance.json`, which stands outside the bundle's digest."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "git_commit": of.commit,
        "run_id": run_id,
        "fitted": fitted,
        "environment": installed(),
        **{f"{name}_digest": getattr(of, name) for name in ("data", "config", "code")},
        "mlops_cli_version": version("mlops-cli"),
    }


def code_digest() -> str:
    """What names the code of mlops-cli that works here, in 64 hex digits."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0")
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()
