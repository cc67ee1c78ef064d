"""A project: its folder, its configuration, its tables and their contracts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlops_cli._files import nearest
from mlops_cli._modules import module_files
from mlops_cli.config.model import Config, contract_of
from mlops_cli.config.paths import CACHE, ONLINE
from mlops_cli.config.sections.features import SQLITE
from mlops_cli.config.sections.quantity import amount
from mlops_cli.memory import memory


@dataclass(frozen=True, slots=True)
class Project:
    """A project's folder (absolute) and its checked configuration."""

    root: Path
    config: Config
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where a value was set, by its dotted key: a file's name, or `${VAR}`; else a default."""

    @property
    def cache(self) -> Path:
        """`.mlops/`, which may be deleted at any time."""
        return self.root / CACHE

    @property
    def dvc_folder(self) -> Path | None:
        """`.dvc` of the project, or of the repository of several that it stands in."""
        return nearest(self.root, ".dvc")

    @property
    def temporary(self) -> Path:
        """Where an engine puts what does not fit into memory."""
        return self.cache / "tmp"

    @property
    def memory(self) -> int:
        """The bytes that a process takes at the most which works on whole tables."""
        given = self.config.engine.memory
        return int(amount(given)) if given else memory() // 2

    @property
    def keys(self) -> Path | None:
        """The file of API keys of a server on this machine; None where it asks for none."""
        file = self.config.serve.keys
        return self.root / file if file else None

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """The files of certificate and key of a server on this machine; None: http."""
        pair = self.config.serve.tls
        return (self.root / pair.cert, self.root / pair.key) if pair else None

    @property
    def models(self) -> Path:
        """The folder below which a server on this machine may be told to load bundles."""
        return self.root / (self.config.serve.models or ".")

    @property
    def trust(self) -> Path | None:
        """The file of the keys whose signature a bundle must bear; None: none needs one."""
        file = self.config.serve.trust
        return self.root / file if file else None

    @property
    def online(self) -> str | None:
        """Where features are looked up, as a server on this machine is told; None: nowhere."""
        store = self.config.features.store
        if store is None:
            return None
        return f"sqlite:{self.root / ONLINE}" if store.url == SQLITE else store.url

    @property
    def modules(self) -> list[str]:
        """The files of the project's own code that makes its estimator; none of a library's."""
        module, _, function = self.config.train.estimator.partition(":")
        return module_files(self.root, module) if function else []

    @property
    def contracts(self) -> dict[str, str]:
        """Each table that the configuration names, the main one first, with its contract's file."""
        config = self.config
        features = config.features
        others = [f.table for f in features.join] + [f.table for f in features.aggregates]
        others += config.validate_.tables
        joined = {table: contract_of(table) for table in others}
        return {config.data.table: config.contract} | (
            {table: file for table, file in joined.items() if table != config.data.table}
        )

    @property
    def tables(self) -> list[str]:
        """Every table that the configuration names, the main one first."""
        return list(self.contracts)
