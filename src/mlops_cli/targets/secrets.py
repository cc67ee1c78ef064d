"""Secrets of a server: variables of this environment that `deploy.secrets` names, and no other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.serving.contract import ONLINE, TLS_CERT, TRUST
from mlops_cli.serving.online.opened import SQLITE
from mlops_cli.serving.trust import trusted_keys


def handed_over(names: Sequence[str]) -> dict[str, str]:
    """Their values; raises `UsageError` naming those that are not set."""
    if missing := [name for name in names if not os.environ.get(name)]:
        raise UsageError(
            f"deploy.secrets names {', '.join(missing)}, which the environment does not set",
            hint=f"export {missing[0]}=..., or take it out of deploy.secrets",
        )
    return {name: os.environ[name] for name in names}


def refuse_local_files(settings: Mapping[str, str]) -> None:
    """Raise `UsageError` where a container's server would need a file of this machine."""
    if settings.get(ONLINE, "").startswith(SQLITE):
        raise UsageError(
            "features.online: sqlite is a file of this machine, and a container has none",
            hint="features.online: redis://... (mlops.ENV.yaml may say so for this target)",
        )
    if TLS_CERT in settings:
        raise UsageError(
            "serve.tls: a container gets no certificate; what stands before it brings TLS",
            hint="take serve.tls out for this target (mlops.ENV.yaml: serve: {tls: null}), and "
            "give the certificate to the ingress, or to the proxy, that leads to it",
        )


def trusting(project: Project, settings: Mapping[str, str]) -> dict[str, str]:
    """A server's settings with where it looks features up, and the keys that it trusts themselves.

    Who changes an image, or the folder of a bundle, does not change these. Raises `UsageError`
    where the file holds no keys.
    """
    keys = {TRUST: trusted_keys(str(project.trust)).decode()} if project.trust else {}
    online = {ONLINE: project.online} if project.online else {}
    return {**settings, **online, **keys}
