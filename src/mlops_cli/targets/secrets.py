"""Secrets of a server: variables of this environment that `deploy.secrets` names, and no other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from mlops_cli.errors import UsageError
from mlops_cli.serving.contract import CACHE, GRPC_PORT, REDIS, TLS_CERT, UPLOADED


def handed_over(names: Sequence[str]) -> dict[str, str]:
    """Their values; raises `UsageError` naming those that are not set."""
    if missing := [name for name in names if not os.environ.get(name)]:
        raise UsageError(
            f"deploy.secrets names {', '.join(missing)}, which the environment does not set",
            hint=f"export {missing[0]}=..., or take it out of deploy.secrets",
        )
    return {name: os.environ[name] for name in names}


def refuse_tls(settings: Mapping[str, str]) -> None:
    """Raise `UsageError` where a container's server would need a certificate: it gets none."""
    if TLS_CERT in settings:
        raise UsageError(
            "serve.tls: a container gets no certificate; what stands before it brings TLS",
            hint="take serve.tls out for this target (mlops.ENV.yaml: serve: {tls: null}), and "
            "give the certificate to the ingress, or to the proxy, that leads to it",
        )


def refuse_extras(settings: Mapping[str, str]) -> None:
    """Raise `UsageError` where an image's server would need what an image does not bring."""
    if UPLOADED in settings:
        raise UsageError(
            "serve.log.to: an image has no client of object storage yet",
            hint="deploy on local, or take serve.log.to out and run mlops collect",
        )
    if settings.get(CACHE, "").startswith(REDIS):
        raise UsageError(
            "serve.cache: an image has no client of Redis yet",
            hint="deploy on local, or keep predictions in memory: serve.cache: memory:10000",
        )
    if GRPC_PORT in settings:
        raise UsageError(
            "serve.grpc.port: an image does not bring the extra grpc yet",
            hint="deploy on local, or take serve.grpc out: the protocol answers over HTTP, too",
        )
