"""Exports for clusters: held to each project's own schema, and to what `deploy` applies."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

import crds
import exported
from mlops_cli.config.sections.rollout import RolloutConfig
from mlops_cli.errors import UsageError
from mlops_cli.exports.argo_rollouts import argo_rollouts_files
from mlops_cli.exports.argocd import argocd_files
from mlops_cli.exports.base import Rendered, write_files
from mlops_cli.exports.helm import helm_files
from mlops_cli.exports.istio import istio_files
from mlops_cli.exports.keda import in_flight, keda_files
from mlops_cli.exports.kserve import kserve_files
from mlops_cli.targets.kubernetes.manifests import Spec, key_of, objects

SHADOW = {"strategy": "shadow", "steps": [10]}
POD = ("spec", "template", "spec")


def rollout(**section: Any) -> RolloutConfig:
    return RolloutConfig.model_validate(section)


def things(made: Rendered) -> dict[tuple[str, str], dict[str, Any]]:
    """Every object of the YAML files, by kind and name."""
    texts = [t for n, t in made.files.items() if n.endswith(".yaml") and "/" not in n]
    found = [d for text in texts for d in yaml.safe_load_all(text)]
    return {key_of(d): d for d in found if d["kind"] != "Kustomization"}


def applied(spec: Spec) -> dict[str, Any]:
    """The Deployment as `deploy` applies it."""
    return objects(spec)["Deployment", spec.name]


@pytest.mark.parametrize("section", exported.ROLLOUTS)
def test_rollouts_are_what_argo_says(section: dict[str, Any]) -> None:
    made = things(argo_rollouts_files(exported.spec(), rollout(**section)))
    ours = [thing for thing in made.values() if "argoproj" in thing["apiVersion"]]
    for thing in ours:
        crds.hold(thing)
    assert len(ours) == (1 if section.get("strategy") == "blue_green" else 3)


@pytest.mark.parametrize("before", [None, exported.BEFORE])
@pytest.mark.parametrize("section", [*exported.ROLLOUTS, SHADOW])
def test_routes_are_what_istio_says(section: dict[str, Any], before: str | None) -> None:
    made = things(istio_files(exported.spec(), rollout(**section), before=before))
    for kind in ("VirtualService", "DestinationRule"):
        crds.hold(made[kind, "rain"])
    weights = [to["weight"] for to in made["VirtualService", "rain"]["spec"]["http"][-1]["route"]]
    assert sum(weights) == 100


@pytest.mark.parametrize("asked", [{}, {"kafka": exported.BY_KEDA["kafka"]}])
def test_a_scaled_object_is_what_keda_says(tmp_path: Path, asked: dict[str, Any]) -> None:
    spec = exported.spec(autoscaling={"by": "keda", "cpu": 50, **asked})
    thing = things(keda_files(exported.project(tmp_path), spec))["ScaledObject", "rain"]
    crds.hold(thing)
    triggers = {trigger["type"]: trigger["metadata"] for trigger in thing["spec"]["triggers"]}
    assert triggers["cpu"] == {"value": "50"}
    assert triggers["prometheus"]["threshold"] == "1"  # rho / (1 - rho) of one worker
    assert ("kafka" in triggers) == bool(asked)


def test_an_application_is_what_argo_cd_says(tmp_path: Path) -> None:
    project = exported.repository(tmp_path / "repository")
    made = argocd_files(project, exported.spec(), project.root / "deploy/argocd", number="7")
    crds.hold(yaml.safe_load(made.files["application.yaml"]))
    source = yaml.safe_load(made.files["application.yaml"])["spec"]["source"]
    assert source["repoURL"] == "https://git.example.org/team/rain.git"  # and no password
    assert source["path"] == "deploy/argocd/chart"
    assert "chart/Chart.yaml" in made.files


def test_a_field_that_nobody_knows_is_found() -> None:
    made = things(argo_rollouts_files(exported.spec(), rollout()))
    thing = made["Rollout", "rain"]
    thing["spec"]["template"]["spec"]["containers"][0]["imagePulPolicy"] = "Never"
    with pytest.raises(jsonschema.ValidationError, match="imagePulPolicy"):
        crds.hold(thing)


@pytest.mark.parametrize("section", exported.ROLLOUTS)
def test_a_rollout_has_the_pods_of_the_deployment(section: dict[str, Any]) -> None:
    spec = exported.spec()
    made = things(argo_rollouts_files(spec, rollout(**section)))
    mine, theirs = made["Rollout", "rain"], applied(spec)
    text = json.dumps(mine["spec"]["template"]).replace("rollouts-pod-template-hash",
                                                        "pod-template-hash")  # fmt: skip
    assert json.loads(text) == theirs["spec"]["template"]
    assert mine["metadata"] == theirs["metadata"]
    assert "Deployment" not in {kind for kind, _ in made}
    target = made["HorizontalPodAutoscaler", "rain"]["spec"]["scaleTargetRef"]
    assert target["kind"] == "Rollout"


def test_steps_and_rules_are_those_of_the_section() -> None:
    rules = [{"metric": "error_rate", "worse_by": 0.01, "then": "pause"},
             {"metric": "latency_p50", "worse_by": "20ms"},
             {"metric": "prediction_mean", "differs_by": 0.05}]  # fmt: skip
    section = rollout(strategy="canary", steps=[10, 40], hold="30m",
                      judge={"rules": rules, "min_requests": 300, "max_time": "5h"})  # fmt: skip
    made = argo_rollouts_files(exported.spec(), section)
    found = things(made)
    steps = found["Rollout", "rain"]["spec"]["strategy"]["canary"]["steps"]
    assert [step["setWeight"] for step in steps if "setWeight" in step] == [10, 40]
    assert [s["pause"] for s in steps if "pause" in s] == [{"duration": "1800s"}] * 2
    asked = [s["analysis"]["args"][1]["value"] for s in steps if "analysis" in s]
    assert asked == ["300", "600"]
    metrics = found["AnalysisTemplate", "rain-rules"]["spec"]["metrics"]
    assert [m["name"] for m in metrics] == ["error-rate-pause", "latency-p50"]
    assert ["failureCondition" in m for m in metrics] == [True, False]
    assert any("prediction_mean" in remark for remark in made.remarks)
    assert any("33%" in remark and "10%" in remark for remark in made.remarks)
    waits = found["AnalysisTemplate", "rain-requests"]["spec"]["metrics"][0]
    assert waits["count"] == 60  # every 5 minutes, 5 hours


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"strategy": "ab", "steps": [30], "sticky": ["origin"]}, "sticky"),
        ({"strategy": "canary", "segment": "origin = 'JFK'"}, "segment"),
        ({"strategy": "canary", "testers": {"header": "x-try", "value": "on"}}, "testers"),
    ],
)
def test_what_sees_no_inputs_says_so(section: dict[str, Any], said: str) -> None:
    for refused in (
        lambda: argo_rollouts_files(exported.spec(), rollout(**section)),
        lambda: istio_files(exported.spec(), rollout(**section), before=exported.BEFORE),
    ):
        with pytest.raises(UsageError, match=f"by weights alone.*{said}") as caught:
            refused()
        assert "mlops deploy" in (caught.value.hint or "")


def test_argo_rollouts_mirrors_nothing_and_needs_a_prometheus() -> None:
    with pytest.raises(UsageError, match="mirror none"):
        argo_rollouts_files(exported.spec(), rollout(**SHADOW))
    with pytest.raises(UsageError, match="Prometheus") as caught:
        argo_rollouts_files(exported.spec(prometheus=None), rollout())
    assert "prometheus: http://" in (caught.value.hint or "")


def test_istio_brings_pods_that_no_deploy_takes_for_its_own() -> None:
    spec = exported.spec()
    made = things(istio_files(spec, rollout(strategy="canary", steps=[5]), before=exported.BEFORE))
    pods = made["Deployment", "rain-candidate"]["spec"]
    assert pods["template"]["spec"] == applied(spec)["spec"]["template"]["spec"]
    by = "app.kubernetes.io/managed-by"
    for labels in (made["Deployment", "rain-candidate"]["metadata"]["labels"],
                   pods["template"]["metadata"]["labels"],
                   made["NetworkPolicy", "rain-istio"]["metadata"]["labels"]):  # fmt: skip
        assert labels[by] == "mlops-export"
    assert ("Service", "rain") not in made  # a deploy declares it, and would find a conflict
    subsets = {s["name"]: s["labels"] for s in made["DestinationRule", "rain"]["spec"]["subsets"]}
    assert subsets["champion"] == {"mlops-cli.dev/version": exported.BEFORE}
    assert pods["template"]["metadata"]["labels"].items() >= subsets["candidate"].items()
    assert pods["selector"]["matchLabels"].items() >= subsets["candidate"].items()


def test_keda_is_never_beside_an_autoscaler_of_ours(tmp_path: Path) -> None:
    project = exported.project(tmp_path)
    with pytest.raises(UsageError, match="makes an autoscaler") as caught:
        keda_files(project, exported.spec())
    assert "by: keda" in (caught.value.hint or "")
    keda = exported.spec(autoscaling=exported.BY_KEDA)
    assert "HorizontalPodAutoscaler" not in {kind for kind, _ in objects(keda)}
    assert "replicas" not in applied(keda)["spec"]  # they are KEDA's
    assert things(argo_rollouts_files(keda, rollout()))["Rollout", "rain"]["spec"]["replicas"] == 2
    with pytest.raises(UsageError, match="nothing to scale"):
        keda_files(project, exported.spec(autoscaling=exported.BY_KEDA, replicas={"max": 2}))
    with pytest.raises(UsageError, match="what KEDA is to ask"):
        keda_files(project, exported.spec(autoscaling={"by": "keda"}, prometheus=None))
    with pytest.raises(ValidationError, match="brokers"):
        exported.spec(autoscaling={"kafka": {"brokers": ["kafka"], "topic": "t", "group": "g"}})


def test_servers_that_are_busy_have_so_many_under_way() -> None:
    assert in_flight(50, 1) == 1
    assert in_flight(75, 2) == pytest.approx(6)
    assert in_flight(400, 1) == pytest.approx(19)  # 95 %: beyond it a queue has no mean


def test_an_application_needs_a_remote_and_a_folder_of_it(tmp_path: Path) -> None:
    project = exported.repository(tmp_path / "repository")
    with pytest.raises(UsageError, match="not in the project's repository"):
        argocd_files(project, exported.spec(), tmp_path / "elsewhere", number="7")
    subprocess.run(["git", "remote", "remove", "origin"], cwd=project.root, check=True)
    with pytest.raises(UsageError, match="no remote"):
        argocd_files(project, exported.spec(), project.root / "deploy", number="7")


def test_kserve_runs_the_pods_of_the_deployment() -> None:
    spec = exported.spec()
    made = things(kserve_files(spec))
    predictor = made["InferenceService", "rain"]["spec"]["predictor"]
    pod = applied(spec)["spec"]["template"]["spec"]
    (server,) = pod.pop("containers")
    assert predictor["containers"] == [server | {"name": "kserve-container"}]
    assert predictor.items() >= pod.items()
    assert (predictor["minReplicas"], predictor["maxReplicas"]) == (2, 6)
    assert predictor["labels"] == applied(spec)["spec"]["template"]["metadata"]["labels"]
    assert {kind for kind, _ in made} == {
        "InferenceService", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget",
    }  # fmt: skip


CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"replicas": {"min": 3, "max": 3}},
    {"service": {"type": "NodePort", "node_port": 30090}, "pull_secret": "login"},
    {"autoscaling": {"cpu": 55, "scale_down_after": "90s"}, "timeout": "20m"},
    {"resources": {"requests": {"cpu": "1", "memory": "1Gi"},
                   "limits": {"cpu": "4", "memory": "4Gi"}}},
    {"autoscaling": exported.BY_KEDA},
)  # fmt: skip


def helm(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["helm", *command], capture_output=True, text=True, check=False)


@pytest.fixture(autouse=True)
def _helm(request: pytest.FixtureRequest) -> None:
    if "chart" in request.node.name and shutil.which("helm") is None:
        pytest.skip("helm is not on the PATH")


@pytest.mark.parametrize("changes", CHANGES)
def test_a_chart_renders_to_what_deploy_applies(tmp_path: Path, changes: dict[str, Any]) -> None:
    spec = exported.spec(**changes)
    write_files(tmp_path / "rain", helm_files(spec, number="7").files)
    linted = helm("lint", "--strict", str(tmp_path / "rain"))
    assert linted.returncode == 0, linted.stdout
    made = helm("template", "any", str(tmp_path / "rain"), "--namespace=models")
    assert made.returncode == 0, made.stderr
    found = {key_of(thing): thing for thing in yaml.safe_load_all(made.stdout) if thing}
    assert found == objects(spec)


@pytest.mark.parametrize("changes", CHANGES)
def test_a_chart_follows_its_values(tmp_path: Path, changes: dict[str, Any]) -> None:
    """The chart of the defaults with other values is what `deploy` applies by other settings."""
    if "autoscaling" in changes and changes["autoscaling"].get("by") == "keda":
        pytest.skip("whether KEDA scales is no value of a chart")
    write_files(tmp_path / "rain", helm_files(exported.spec(), number="7").files)
    other = helm_files(exported.spec(**changes), number="7").files["values.yaml"]
    (tmp_path / "other.yaml").write_text(other, encoding="utf-8")
    made = helm("template", "any", str(tmp_path / "rain"), "--namespace=elsewhere",
                f"--values={tmp_path}/other.yaml")  # fmt: skip
    assert made.returncode == 0, made.stderr
    found = {key_of(thing): thing for thing in yaml.safe_load_all(made.stdout) if thing}
    assert found == objects(exported.spec(**changes, namespace="elsewhere"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("replcas.min=1", "replcas"),
        ("replicas.min=0", "replicas.min"),
        ("replicas.min=9", "replicas.min (9) is above replicas.max (6)"),
        ("digest=abc", "digest"),
        ("service.type=LoadBalancer", "service.type"),
        ("resources.limits.memory=lots", "resources.limits.memory"),
    ],
)
def test_a_chart_refuses_values_by_its_schema(tmp_path: Path, value: str, said: str) -> None:
    write_files(tmp_path / "rain", helm_files(exported.spec(), number="7").files)
    made = helm("template", "any", str(tmp_path / "rain"), f"--set={value}")
    assert made.returncode == 1
    assert said in made.stderr


def test_a_chart_takes_no_text_for_a_template_of_helm(tmp_path: Path) -> None:
    spec = exported.spec()
    hostile = Spec("rain", spec.digest, "rain:1", spec.config, {"X": '{{ fail "x" }}', "Y": "yes"})
    write_files(tmp_path / "rain", helm_files(hostile, number="").files)
    made = helm("template", "any", str(tmp_path / "rain"), "--namespace=models")
    found = {key_of(thing): thing for thing in yaml.safe_load_all(made.stdout) if thing}
    assert found == objects(hostile)
    kept = things(argo_rollouts_files(hostile, rollout()))["Rollout", "rain"]
    assert kept["spec"]["template"]["spec"]["containers"][0]["env"][2]["value"] == "yes"
