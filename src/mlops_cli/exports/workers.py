"""`mlops export workers`: a Kubernetes Job of workers that take part in a shared search."""

from __future__ import annotations

import re

from mlops_cli._templates import render_yaml
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.exports.base import Rendered
from mlops_cli.targets.kubernetes.naming import object_name

WORKERS = 4  # pods side by side; `kubectl scale` knows no Job, so the file says how many
_IMAGE = (
    "a Job needs an image that has mlops-cli[postgres] and the project with its features in "
    "/project: your own image of it"
)
_VARIABLE = re.compile(r"^\$\{(\w+)\}$")


def workers_files(project: Project, image: str | None) -> Rendered:
    """The file by name.

    Raises `UsageError` without an image, where `tune.storage` names no database, and where the
    address itself stands in `mlops.yaml`: a pod takes it from a Secret.
    """
    storage = project.config.tune.storage
    if storage is None:
        raise UsageError(
            "mlops.yaml: tune.storage names no database for workers to meet in",
            hint="tune: {storage: ${TUNE_URL}}",
        )
    if (variable := _VARIABLE.match(storage)) is None:
        raise UsageError(
            "mlops.yaml: tune.storage is an address, and a pod takes it from a Secret",
            hint="tune: {storage: ${TUNE_URL}}",
        )
    if image is None:
        raise UsageError(_IMAGE, hint="--image registry.example.org/team/rain-ops:1")
    name = object_name(project.config.project)
    secret = f"{name}-tune"
    text = render_yaml(
        "schedule/workers.yaml.j2",
        name=name,
        namespace=project.config.deploy.kubernetes.namespace,
        image=image,
        workers=WORKERS,
        secret=secret,
        variable=variable[1],
    )
    remarks = (
        f"the Secret {secret} has to hold {variable[1]}: the database that `mlops run` uses, too",
    )
    return Rendered({"workers.yaml": text}, remarks)
