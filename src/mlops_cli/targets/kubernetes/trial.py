"""Whether a gateway divides traffic as its route says: tried on a throw-away host.

A route's conditions tell nothing of it: what a controller has accepted it may answer with 500.
"""

from __future__ import annotations

import http.client
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from mlops_cli.bundle.manifest import short
from mlops_cli.progress import Progress
from mlops_cli.serving.contract import READY
from mlops_cli.serving.rollouts.marked import Mark
from mlops_cli.targets.kubernetes.address import node_host
from mlops_cli.targets.kubernetes.faults import GATEWAY, ClusterFault
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import KINDS, Object, Spec, objects
from mlops_cli.targets.kubernetes.route import divided
from mlops_cli.targets.readiness import connection_to

_ASKED = 60  # requests of a look
_PATIENCE = 45.0  # seconds until the gateway does as the route says
_STEP = 0.5
_HINT = "deploy.kubernetes.router: process divides the traffic without a gateway"
_Fits = Callable[[Counter[str], str], bool]
_ANY = ".mlops-cli.invalid"  # no listener of ours asks for a host


def try_weights(
    kubectl: Kubectl,
    specs: tuple[Spec, ...],
    mark: Mark | None,
    progress: Progress,
) -> None:
    """Return when a route of half and half was answered so, and then one of all and nothing, and
    one of nothing but what brings `mark`.

    Raises `ClusterFault` where the gateway cannot be reached from here, or does otherwise.
    """
    champion, candidate = specs
    route = objects(champion)["HTTPRoute", champion.name]
    gateway = route["spec"]["parentRefs"][0]["name"]
    listener = _listener(kubectl, gateway, champion)
    host = _throw_away(str(listener.get("hostname") or ""))
    if host is None:
        progress.log(f"the listener of Gateway {gateway} takes one host alone: it is not tried")
        return
    door = _Door(_address(kubectl, gateway), int(listener["port"]), host)
    looks: list[tuple[float, _Door, _Fits]] = [(50.0, door, _half), (100.0, door, _all)]
    if mark is not None:
        looks += [(0.0, replace(door, head=_head(mark)), _all), (0.0, door, _none)]
    route["metadata"]["name"] = f"{champion.name}-trial"
    route["spec"]["hostnames"] = [host]
    port = champion.config.service.port
    try:
        for percent, where, fits in looks:
            progress.update(f"trying weights on Gateway {gateway}")
            kubectl.apply([divided(route, champion.name, port, percent, mark)], force=True)
            _wait(where, fits, candidate.digest, gateway)
    finally:
        with suppress(ClusterFault):  # the reason must not be lost
            name = route["metadata"]["name"]
            kubectl.run("delete", f"{KINDS['HTTPRoute'][1]}/{name}", "--ignore-not-found")


class _Ready(msgspec.Struct, frozen=True):
    digest: str


@dataclass(frozen=True, slots=True)
class _Door:
    """Where a gateway answers, for which host, and with which headers beside it is asked."""

    address: str
    port: int
    host: str
    head: Mapping[str, str] = field(default_factory=dict)

    def look(self) -> Counter[str]:
        """What answers so many requests: digests, statuses, `nobody`."""
        return Counter(self._ask() for _ in range(_ASKED))

    def _ask(self) -> str:
        connection = connection_to(self.address, self.port, tls=False)
        try:
            connection.request("GET", READY, headers={"Host": self.host, **self.head})
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            return "nobody"
        finally:
            connection.close()
        if answer.status == http.HTTPStatus.OK:
            with suppress(msgspec.DecodeError):
                return msgspec.json.decode(said, type=_Ready).digest
        return str(answer.status)


def _wait(door: _Door, fits: _Fits, candidate: str, gateway: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not fits(seen := door.look(), candidate):
        if time.monotonic() > end:
            raise _fault(door, seen, gateway)
        time.sleep(_STEP)


def _fault(door: _Door, seen: Counter[str], gateway: str) -> ClusterFault:
    where = f"Gateway {gateway} at {door.address}:{door.port}"
    if set(seen) == {"nobody"}:
        return ClusterFault(
            GATEWAY,
            f"{where} does not answer from here, so it cannot be tried",
            hint=f"run it where the gateway is reached; or {_HINT}",
        )
    said = ", ".join(f"{n} by {short(who)}" for who, n in seen.most_common(4))
    return ClusterFault(
        GATEWAY, f"{where} does not divide traffic as its route says: {said}", hint=_HINT
    )


def _half(seen: Counter[str], candidate: str) -> bool:
    answered = sum(n for who, n in seen.items() if len(who) == 64)
    return answered == seen.total() == _ASKED and 0.25 < seen[candidate] / _ASKED < 0.75


def _all(seen: Counter[str], candidate: str) -> bool:
    return seen[candidate] == _ASKED


def _none(seen: Counter[str], candidate: str) -> bool:
    return sum(n for who, n in seen.items() if len(who) == 64) == _ASKED and not seen[candidate]


def _head(mark: Mark) -> dict[str, str]:
    if mark.header is not None:
        return {mark.header: mark.value}
    return {"Cookie": f"a=1; {mark.cookie}={mark.value}; b=2"}


def _listener(kubectl: Kubectl, gateway: str, spec: Spec) -> dict[str, Any]:
    config = spec.config.gateway
    port = config.port if config is not None else 80
    found = kubectl.named(f"{KINDS['Gateway'][1]}/{gateway}")
    listeners = found[0]["spec"]["listeners"] if found else []
    for listener in listeners:
        if listener["port"] == port and listener["protocol"] == "HTTP":
            return dict(listener)
    raise ClusterFault(
        GATEWAY,
        f"Gateway {gateway} has no HTTP listener at port {port}",
        hint="set deploy.kubernetes.gateway.port to one that it has",
    )


def _throw_away(listens: str) -> str | None:
    """A host that nobody asks for, which the listener takes."""
    if not listens:
        return f"{secrets.token_hex(8)}{_ANY}"
    return f"mlops-{secrets.token_hex(8)}{listens[1:]}" if listens.startswith("*.") else None


def _address(kubectl: Kubectl, gateway: str) -> str:
    found: list[Object] = kubectl.named(f"{KINDS['Gateway'][1]}/{gateway}")
    given = found[0].get("status", {}).get("addresses", []) if found else []
    return str(given[0]["value"]) if given else node_host(kubectl)
