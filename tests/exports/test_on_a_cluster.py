"""What is exported, on a cluster: taken by the API server, by Helm, by Argo Rollouts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import exported
from clusters import Load, kubectl, own_namespace, small
from controllers import argo_rollouts, followed, kinds, prometheus, refused, until
from mlops_cli.config.sections.rollout import RolloutConfig
from mlops_cli.exports.argo_rollouts import argo_rollouts_files
from mlops_cli.exports.argocd import argocd_files
from mlops_cli.exports.base import Rendered, write_files
from mlops_cli.exports.helm import helm_files
from mlops_cli.exports.istio import istio_files
from mlops_cli.exports.keda import keda_files
from mlops_cli.exports.prometheus import prometheus_files
from mlops_cli.progress import QUIET
from mlops_cli.targets.base import Release
from mlops_cli.targets.kubernetes.address import service_url
from mlops_cli.targets.kubernetes.delivery import deliver
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import Spec, objects
from servers import free_port

pytestmark = pytest.mark.kubernetes


@pytest.fixture
def namespace(docker_engine: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One of its own that asks `restricted`; skipped where there is no cluster, or no engine."""
    with own_namespace(monkeypatch) as name:
        yield name


def brought(release: Release, namespace: str, **changes: Any) -> Spec:
    """A spec of a release whose image is on the cluster."""
    config = small(namespace, 2).model_copy(update=changes)
    deliver(config, release.image, progress=QUIET)
    return Spec("rain", release.digest, release.image.name, config)


def url(namespace: str) -> str:
    service = json.loads(kubectl("get", "service", "rain", "-o", "json", namespace=namespace))
    return service_url(Kubectl(None, namespace), service)


def documents(made: Rendered) -> str:
    """The objects, as one stream."""
    names = (n for n in made.files if n.endswith(".yaml") and n != "kustomization.yaml")
    return "\n---\n".join(made.files[name] for name in names if not name.startswith("chart/"))


def test_the_api_server_takes_them_by_its_strictest_check(namespace: str, tmp_path: Path) -> None:
    project = exported.project(tmp_path)
    names = ("Rollout", "AnalysisTemplate", "VirtualService", "DestinationRule", "ScaledObject",
             "Application")  # fmt: skip
    where = {"namespace": namespace}
    keda = exported.spec(**where, autoscaling=exported.BY_KEDA)
    repository = exported.repository(tmp_path / "repository")
    application = argocd_files(
        repository, exported.spec(**where), repository.root / "d", number="7"
    )
    only = replace(application, files={"a.yaml": application.files["application.yaml"].replace(
        "namespace: argocd", f"namespace: {namespace}")})  # fmt: skip
    spec = exported.spec(**where)
    with kinds(*names):
        for strategy in exported.ROLLOUTS:
            made = argo_rollouts_files(spec, RolloutConfig.model_validate(strategy))
            assert refused(documents(made), namespace) == "", strategy
        for strategy in (*exported.ROLLOUTS, {"strategy": "shadow", "steps": [10]}):
            config = RolloutConfig.model_validate(strategy)
            made = istio_files(spec, config, before=exported.BEFORE)
            assert refused(documents(made), namespace) == "", strategy
        assert refused(documents(keda_files(project, keda)), namespace) == ""
        assert refused(documents(only), namespace) == ""
        wrong = documents(keda_files(project, keda)).replace("pollingInterval", "polingInterval")
        assert "polingInterval" in refused(wrong, namespace)


def test_helm_installs_and_upgrades_and_loses_no_request(
    namespace: str, tmp_path: Path, first: Release, second: Release
) -> None:
    before, after = (brought(release, namespace) for release in (first, second))
    write_files(tmp_path / "1", helm_files(before, number="1").files)
    write_files(tmp_path / "2", helm_files(after, number="2").files)
    _helm("install", "rain", str(tmp_path / "1"), "--wait", "--timeout=3m", namespace=namespace)
    assert _live(namespace, before) == objects(before).keys()
    assert "http://rain" in _helm("get", "notes", "rain", namespace=namespace)
    with Load(url(namespace)) as load:
        _helm("upgrade", "rain", str(tmp_path / "2"), "--wait", "--timeout=3m", namespace=namespace)
        until(lambda: second.version in load.answers, 60, lambda: str(load.answers))
    assert set(load.answers) == {first.version, second.version}
    _helm("upgrade", "rain", str(tmp_path / "2"), "--set=replicas.max=3", namespace=namespace)
    assert "rain" in kubectl("get", "hpa", "-o", "name", namespace=namespace)
    _helm("uninstall", "rain", "--wait", "--timeout=3m", namespace=namespace)
    assert not _live(namespace, before)


def _helm(*command: str, namespace: str) -> str:
    if shutil.which("helm") is None:
        pytest.skip("helm is not on the PATH")
    done = subprocess.run(["helm", *command, f"--namespace={namespace}"], capture_output=True,
                          encoding="utf-8", timeout=400, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def _live(namespace: str, spec: Spec) -> set[tuple[str, str]]:
    kinds = "deployment,service,pdb,networkpolicy,serviceaccount"
    found = json.loads(kubectl("get", kinds, "-o", "json", namespace=namespace))["items"]
    named = {(thing["kind"], thing["metadata"]["name"]) for thing in found}
    return {key for key in named if key[1] == spec.name}


@pytest.mark.slow
def test_argo_rollouts_carries_a_canary_to_its_end(
    namespace: str, tmp_path: Path, first: Release, second: Release
) -> None:
    """Its controller asks a Prometheus that scrapes the pods by our own configuration."""
    port = free_port()
    where = f"http://127.0.0.1:{port}"
    before, after = (brought(r, namespace, prometheus=where) for r in (first, second))
    canary = {"strategy": "canary", "steps": [50], "hold": "20s",
              "judge": {"min_requests": 100, "max_time": "5m"}}  # fmt: skip
    config = RolloutConfig.model_validate(canary)
    for name, spec in (("1", before), ("2", after)):
        write_files(tmp_path / name, argo_rollouts_files(spec, config).files)
    names = ("Rollout", "AnalysisTemplate", "AnalysisRun", "Experiment")
    with (
        kinds(*names),
        prometheus(_scraping(tmp_path, namespace), port, tmp_path),
        followed(namespace, tmp_path / "pods.json"),
        argo_rollouts(namespace, tmp_path),
    ):
        kubectl("apply", "-k", str(tmp_path / "1"), namespace=namespace)
        until(lambda: _phase(namespace) == "Healthy", 120, lambda: _told(namespace, tmp_path))
        with Load(url(namespace)) as load:
            kubectl("apply", "-k", str(tmp_path / "2"), namespace=namespace)
            until(lambda: _phase(namespace) == "Paused", 60, lambda: _told(namespace, tmp_path))
            until(lambda: _phase(namespace) == "Healthy", 240, lambda: _told(namespace, tmp_path))
        assert set(load.answers) == {first.version, second.version}
        runs = json.loads(kubectl("get", "analysisrun", "-o", "json", namespace=namespace))["items"]
        phases = {run["spec"]["metrics"][0]["name"]: run["status"]["phase"] for run in runs}
        assert phases == {"requests": "Successful", "error-rate": "Successful"}
        measured = [m for run in runs for result in run["status"]["metricResults"]
                    for m in result["measurements"]]  # fmt: skip
        assert {m["phase"] for m in measured} <= {"Successful", "Failed"}


def _scraping(folder: Path, namespace: str) -> dict[str, Any]:
    project = exported.project(folder, namespace=namespace)
    config: dict[str, Any] = yaml.safe_load(
        prometheus_files(project, "kubernetes")["prometheus.yml"]
    )
    config["rule_files"] = []
    for job in config["scrape_configs"]:
        job["scrape_interval"] = "2s"
        del job["kubernetes_sd_configs"]  # which Debian's knows not
        found = {"files": [str(folder / "pods.json")], "refresh_interval": "1s"}
        job["file_sd_configs"] = [found]
    return config


def _phase(namespace: str) -> str:
    found = json.loads(kubectl("get", "rollout", "rain", "-o", "json", namespace=namespace))
    status = found.get("status", {})
    if status.get("observedGeneration") != str(found["metadata"]["generation"]):
        return "behind"
    return str(status.get("phase"))


def _told(namespace: str, folder: Path) -> str:
    things = kubectl("get", "rollout,analysisrun,pods", "-o", "yaml", namespace=namespace)
    return things[-6000:] + (folder / "controller.log").read_text()[-3000:]
