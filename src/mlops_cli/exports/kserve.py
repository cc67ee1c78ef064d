"""`mlops export kserve`: an InferenceService with our image, whose server speaks its protocol."""

from __future__ import annotations

from mlops_cli._templates import render_yaml
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.manifests import deployment, others, read, written
from mlops_cli.targets.kubernetes.manifests import Spec, values_of

_CONTAINER = "kserve-container"  # the one that KServe takes for the model's
_BY_KEDA = "deploy.kubernetes.autoscaling.by is keda, and KServe scales by the CPU all the same"


def kserve_files(spec: Spec) -> Rendered:
    """The InferenceService with the Deployment's pods, and what stands beside them."""
    pod = deployment(spec)["spec"]["template"]["spec"]
    pod["containers"][0]["name"] = _CONTAINER
    thing = read(render_yaml("kserve/inference-service.yaml.j2", **values_of(spec)))
    thing["spec"]["predictor"].update(pod)
    files = others(spec, "ServiceAccount", "NetworkPolicy")
    files |= {"inference-service.yaml": written(thing)} | others(spec, "PodDisruptionBudget")
    listed = render_yaml("kubernetes/kustomization.yaml.j2", files=list(files))
    remarks = ["a new version replaces the one before: KServe divides traffic only with Knative"]
    remarks += [_BY_KEDA] if spec.config.autoscaling.by == "keda" else []
    return Rendered(files | {"kustomization.yaml": listed}, tuple(remarks))
