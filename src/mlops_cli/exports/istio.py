"""`mlops export istio`: how a mesh divides the requests between two versions.

Istio sees headers and no inputs: it divides requests, not subjects, and judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlops_cli._templates import render_yaml
from mlops_cli.bundle.manifest import short
from mlops_cli.config.sections.rollout import RolloutConfig
from mlops_cli.errors import UsageError
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.manifests import EXPORTED, deployment, values, written
from mlops_cli.targets.kubernetes.manifests import Spec
from mlops_cli.targets.kubernetes.naming import VERSION

ARM = "x-mlops-version"  # a request that names a version here is answered by it


def istio_files(spec: Spec, config: RolloutConfig, *, before: str | None) -> Rendered:
    """The routing, and the candidate's own pods where `before`, the version that is live, is
    another one. Raises `UsageError` for what a mesh cannot do."""
    _refuse(config)
    version = short(spec.digest)
    candidate = version if before not in (None, version) else None
    champion = before if candidate else version
    weight, mirrored = _share(config)
    given = values(spec) | {
        "champion": champion,
        "candidate": candidate,
        "weight": weight,
        "mirrored": mirrored,
        "header": ARM,
        "version_label": VERSION,
    }
    files = {
        f"{name}.yaml": render_yaml(f"istio/{name}.yaml.j2", **given)
        for name in ("virtual-service", "destination-rule", "network-policy-istio")
    }
    if candidate:
        thing = deployment(spec)
        thing["metadata"]["name"] += "-candidate"
        thing["metadata"]["labels"].update(EXPORTED)
        thing["spec"]["template"]["metadata"]["labels"].update(EXPORTED)
        thing["spec"]["selector"]["matchLabels"][VERSION] = candidate
        thing["spec"].setdefault("replicas", spec.config.replicas.min)
        files["deployment-candidate.yaml"] = written(thing)
    listed = render_yaml("kubernetes/kustomization.yaml.j2", files=list(files))
    remarks = tuple(_remarks(spec, config, candidate))
    return Rendered(files | {"kustomization.yaml": listed}, remarks)


def _refuse(config: RolloutConfig) -> None:
    for name in ("sticky", "segment", "testers"):
        if getattr(config, name):
            raise UsageError(
                f"Istio divides by weights alone: it cannot keep to deploy.rollout.{name}",
                hint=f"leave {name} out, or let the service itself divide: mlops deploy",
            )


def _share(config: RolloutConfig) -> tuple[int, float]:
    """The candidate's weight in whole percent, and how much is mirrored to it."""
    if config.strategy == "shadow":
        return 0, config.steps[0]
    if config.strategy == "blue_green":
        return 0, 0
    return max(1, round(config.steps[0])), 0


def _remarks(spec: Spec, config: RolloutConfig, candidate: str | None) -> Iterator[str]:
    if candidate is None:
        yield f"{short(spec.digest)} is the only version that is known to serve: nothing is divided"
        return
    yield (
        "a mesh judges nothing and moves no weight by itself: the next step is another export, or "
        f"kubectl edit virtualservice {spec.name}"
    )
    if config.steps[0] != int(config.steps[0]) and config.strategy != "shadow":
        yield "Istio's weights are whole percent: the first step is rounded"
    if config.strategy == "rolling":
        yield "deploy.rollout.strategy is rolling: divided by the first of deploy.rollout.steps"
