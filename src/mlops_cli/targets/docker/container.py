"""What a container of the target `docker` is: its limits, labels and rights, in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli._files import write_text
from mlops_cli._held import hold_fields, read_own
from mlops_cli._templates import is_own, render
from mlops_cli.config.sections.deploy import DockerConfig
from mlops_cli.serving import contract
from mlops_cli.targets.base import Release
from mlops_cli.targets.secrets import handed_over

PORT = f"{contract.PORT}/tcp"  # where the image listens
PROJECT = "dev.mlops-cli.project"
DIGEST = "dev.mlops-cli.digest"
MANAGED = "dev.mlops-cli.managed-by"  # the image cannot set it: only what we run has it
SETTINGS = "dev.mlops-cli.settings"
KEYS_FOLDER = str(Path(contract.KEYS).parent)
CONTROL_FOLDER = str(Path(contract.CONTROL).parent)
ANCHOR = f"{CONTROL_FOLDER}/audit.anchor"
_TMPFS = ("/tmp", "size=64m,mode=1777")  # noqa: S108  the container's own
_PIDS = 256
_COMPOSE = "docker/compose.yaml.j2"
_OURS = (contract.CONTROL_FILE, contract.ROLLOUT)  # settings that `deploy` alone can give
_FREE = frozenset(("name", "restart", "stop_grace_period", "logging", "pids_limit"))
_LOG = {"max-size": "10m", "max-file": "3"}


@dataclass(frozen=True, slots=True)
class Spec:
    """Where a project's container listens and what it may use."""

    project: str
    host: str
    port: int
    docker: DockerConfig
    serve: Mapping[str, str] = field(default_factory=dict)  # variables of the server's settings
    own: Path | None = None  # the project's own templates
    secrets: tuple[str, ...] = ()  # variables of this environment
    keys: Path | None = None  # the project's file of API keys, if the server asks for any

    @property
    def name(self) -> str:
        """The container's name."""
        return f"mlops-{self.project}"

    @property
    def log(self) -> str:
        """The volume of the prediction log."""
        return f"{self.name}-log"

    @property
    def controlled(self) -> bool:
        """Whether the server obeys a control secret."""
        return contract.CONTROL_FILE in self.serve

    @property
    def rollout(self) -> str:
        """The volume of what a rollout needs."""
        return f"{self.name}-rollout"

    @property
    def rolls(self) -> bool:
        """Whether the server looks for a rollout."""
        return contract.ROLLOUT in self.serve

    def volumes(self) -> dict[str, str]:
        """The volumes that the service has, each with the folder where it stands."""
        return {self.log: contract.LOG} if contract.LOG_DIR in self.serve else {}

    def _mounted(self) -> dict[str, str]:
        """Those of the container that we run: a rollout is nothing of `docker compose`."""
        folder = str(Path(self.serve.get(contract.ROLLOUT, "")).parent.parent)
        return self.volumes() | ({self.rollout: folder} if self.rolls else {})

    def ports(self, http: tuple[str, int | None]) -> dict[str, tuple[str, int | None]]:
        """The container's ports, and where each is bound; `http` is that of the server's own.

        That of gRPC is bound as itself, or beside an `http` whose port is any free one.
        """
        host, port = http
        grpc = self.serve.get(contract.GRPC_PORT)
        beside = {f"{grpc}/tcp": (host, int(grpc) if port else None)} if grpc else {}
        return {PORT: http, **beside}

    def environment(self) -> dict[str, str]:
        """Its variables; raises `UsageError` for a secret that is not set."""
        return {**self.serve, **handed_over(self.secrets)}

    def settings(self) -> str:
        """What of this spec is the container's own, as one line; the image is not."""
        values = {
            "address": f"{self.host}:{self.port}",
            "memory": self.docker.memory,
            "cpus": self.docker.cpus,
            "restart": self.docker.restart,
            **self.serve,
        }
        return msgspec.json.encode(values).decode()

    def options(self, release: Release, cpus: int) -> dict[str, Any]:
        """Options of the SDK's `containers.create` but name and ports; the engine has `cpus`."""
        # Volumes of its own, which go with the container; the server may read them, no more.
        folders = [KEYS_FOLDER] * bool(self.keys) + [CONTROL_FOLDER] * self.controlled
        mounts = [{"Type": "volume", "Target": folder} for folder in folders]
        return {
            "detach": True,
            "mounts": mounts,
            "environment": self.environment(),
            "restart_policy": {"Name": self.docker.restart},
            "read_only": True,
            "tmpfs": {_TMPFS[0]: _TMPFS[1]},
            "volumes": {
                name: {"bind": place, "mode": "rw"} for name, place in self._mounted().items()
            },
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "mem_limit": self.docker.memory,
            "memswap_limit": self.docker.memory,  # no swap: a slow answer is worse than none
            "nano_cpus": round(min(self.docker.cpus, cpus) * 1e9),
            "pids_limit": _PIDS,
            "log_config": {"Type": "json-file", "Config": _LOG},
            "labels": {
                PROJECT: self.project,
                DIGEST: release.digest,
                MANAGED: "mlops",
                SETTINGS: self.settings(),
            },
        }

    def write_compose(self, release: Release, folder: Path) -> Path:
        """Write `compose.yaml` to `folder`: the same container for `docker compose`."""
        file = folder / "compose.yaml"
        host = f"[{self.host}]" if ":" in self.host else self.host
        grpc = self.serve.get(contract.GRPC_PORT)
        values: dict[str, Any] = {
            "file": file.name,
            "stack": re.sub(r"[^a-z0-9_-]+", "-", self.project.lower()),
            "project": self.project,
            "digest": release.digest,
            "image": release.image.name,
            "published": f"{host}:{self.port}:{PORT.partition('/')[0]}",
            "grpc": f"{host}:{grpc}:{grpc}" if grpc else None,
            "restart": self.docker.restart,
            "environment": {k: v for k, v in self.serve.items() if k not in _OURS},
            "secrets": self.secrets,
            "keys": str(self.keys.parent) if self.keys else None,
            "keys_folder": KEYS_FOLDER,
            "memory": self.docker.memory,
            "cpus": self.docker.cpus,
            "tmpfs": ":".join(_TMPFS),
            "volumes": self.volumes(),
            "pids": _PIDS,
            "drain": contract.DRAIN,
            "log_size": _LOG["max-size"],
            "log_files": _LOG["max-file"],
        }
        text = render(_COMPOSE, own=self.own, **values)
        if is_own(self.own, _COMPOSE):
            ours = read_own(_COMPOSE, render(_COMPOSE, **values))
            hold_fields(_COMPOSE, ours, read_own(_COMPOSE, text), free=_FREE)
        write_text(file, text)
        return file
