"""The command deploy: the registry's champion, never the workspace's model; every attempt noted."""

from __future__ import annotations

import gc
import http.client
import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import bundles
from mlops_cli.actions.audit import audit_log
from mlops_cli.actions.deploy import deploy, plan, render
from mlops_cli.actions.logs import logs
from mlops_cli.actions.status import status
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.graph import deployed_on
from mlops_cli.audit.log import append, known_entries
from mlops_cli.config.load import check_config
from mlops_cli.config.paths import AUDIT_LOG
from mlops_cli.config.project import Project
from mlops_cli.errors import (
    ApprovalError,
    BundleError,
    EnvironmentFault,
    GateError,
    TamperedError,
    UsageError,
)
from mlops_cli.targets import open_target
from mlops_cli.targets.base import Deployment, KeepsAnchor
from mlops_cli.targets.local.control import Wanted
from mlops_cli.targets.local.target import LocalTarget
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, WITHDRAWN
from mlops_cli.tracking.cached import CachedTracker
from servers import free_port
from trackers import crown, on_a_free_port


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with on_a_free_port(tmp_path) as made:
        yield made


def history(project: Project) -> list[dict]:
    file = project.root / AUDIT_LOG
    return [json.loads(x) for x in file.read_text().splitlines()] if file.exists() else []


def answers(url: str) -> str:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return json.loads(connection.getresponse().read())["digest"]
    finally:
        connection.close()


def test_without_a_champion_it_is_a_usage_error(project: Project) -> None:
    bundles.write(project.root / "model")
    with pytest.raises(UsageError, match="no champion") as refused:
        deploy(project)
    assert refused.value.hint == "make one with `mlops run`"
    assert not history(project)


def test_only_the_champion_that_is_expected_is_deployed(project: Project, tmp_path: Path) -> None:
    digest = crown(project, "model", 240).digest
    other = f"{int(digest[0], 16) ^ 1:x}{digest[1:12]}"
    for wrong in (other, "", digest[:11]):
        for act in (deploy, plan, lambda p, **asked: render(p, tmp_path / "made", **asked)):
            with pytest.raises(UsageError, match=f"is {digest[:12]}, and not"):
                act(project, expect=wrong)
    assert not history(project)
    assert not (tmp_path / "made").exists()
    assert plan(project, expect=digest[:12]).digest == digest


def test_an_unknown_target_names_the_known(project: Project) -> None:
    with pytest.raises(UsageError, match="'moon'") as refused:
        deploy(project, target="moon")
    assert "local" in (refused.value.hint or "")


def test_to_stop_where_nothing_runs_is_fine(project: Project) -> None:
    assert deploy(project, stop=True).stopped is False
    assert not history(project)


def test_the_champion_is_deployed_replaced_and_stopped(project: Project) -> None:
    digest = crown(project, "model", 240).digest
    result = deploy(project)
    port = project.config.deploy.port
    assert (result.url, result.digest) == (f"http://127.0.0.1:{port}", digest)
    shutil.rmtree(project.root / "model")  # the workspace's model is not what is served
    bundles.write(project.root / "model", n=250)
    assert answers(result.url) == digest

    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(EnvironmentFault, match="in use"),
    ):
        deploy(project, port=taken.getsockname()[1])
    assert answers(result.url) == digest

    moved = deploy(project, port=free_port())
    assert moved.url != result.url
    newer = crown(project, "newer", 260).digest
    assert plan(project).changes[0].detail.startswith(f"at {moved.url}, in place of")
    assert deploy(project).digest == newer == answers(moved.url)  # where it was moved to
    stopped = deploy(project, stop=True)
    assert (stopped.stopped, stopped.url) == (True, None)
    with pytest.raises(ConnectionError):
        answers(moved.url)
    assert f":{port}" in plan(project).changes[0].detail

    lines = history(project)
    found = [(x["action"], x["outcome"], x["subject"]["digest"]) for x in lines]
    assert found == [
        ("deploy", "done", digest),
        ("deploy", "failed", digest),
        ("deploy", "done", digest),
        ("deploy", "done", newer),
        ("stop", "done", newer),
    ]
    assert "in use" in lines[1]["reason"]
    assert all(x["subject"]["target"] == "local" and x["actor"] for x in lines)
    assert lines[0]["subject"]["url"] == result.url
    verified = audit_log(project, verify=True)
    assert (verified.verified, [a.where for a in verified.anchors]) == (True, ["the registry"])
    assert [entry.id for entry in verified.entries] == [x["id"] for x in lines]


def test_an_interrupt_is_recorded_as_one_although_the_new_version_may_answer(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = crown(project, "model", 240).digest

    def interrupted(_target: LocalTarget, _wanted: Wanted) -> Deployment:
        """Ctrl-C when the supervisor has promoted it."""
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LocalTarget, "_confirmed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            deploy(project)
    (line,) = history(project)
    assert (line["action"], line["outcome"], line["subject"]["digest"]) == (
        "deploy",
        "interrupted",
        digest,
    )
    assert line["reason"] == "interrupted before its outcome was known"
    assert deployed_on(known_entries(project.root)) == ["local"]
    assert answers(f"http://127.0.0.1:{project.config.deploy.port}") == digest


def test_a_plan_and_a_rendering_are_of_the_champion_and_leave_no_trace(
    project: Project, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no champion"):
        plan(project)
    digest = crown(project, "model", 240).digest
    planned = plan(project)
    assert (planned.target, planned.digest) == ("local", digest)
    assert [change.action for change in planned.changes] == ["create"]
    rendered = render(project, tmp_path / "out")
    assert [Path(file).name for file in rendered.files] == ["delays.service"]
    assert not history(project)
    deploy(project)
    assert plan(project).changes == ()
    assert [c.action for c in plan(project, port=free_port()).changes] == ["update"]


def test_logs_are_given_line_by_line_and_at_the_end(project: Project) -> None:
    with pytest.raises(EnvironmentFault, match="not deployed"):
        logs(project)
    crown(project, "model", 240)
    deploy(project)
    heard: list[str] = []
    found = logs(project, on_line=heard.append)
    assert found.target == "local"
    assert list(found.lines) == heard
    assert any("answers on" in line for line in heard)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_status_tells_of_a_target_that_does_not_answer_and_of_those_that_do(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert status(project).unreachable == (), "nothing was ever deployed to docker: nobody asks"
    digest = crown(project, "model", 240).digest
    deploy(project)
    subject = {"target": "docker", "digest": digest}
    append(project.root, Draft("deploy", "done", subject), copies=None)
    found = status(project)
    assert [(d.target, d.healthy) for d in found.deployments] == [("local", True)]
    (silent,) = found.unreachable
    assert silent.name == "docker"
    assert "no Docker engine answers" in silent.why
    gc.collect()  # the SDK leaves the socket that it could not connect to the collector


def test_what_is_deployed_knows_the_last_deploy(project: Project) -> None:
    crown(project, "one", 200)
    deploy(project)
    (entry,) = history(project)
    assert plan(project).changes == ()
    place = open_target("local", project)
    assert isinstance(place, KeepsAnchor)
    assert place.anchor() == entry["id"]
    whole = (project.root / AUDIT_LOG).read_bytes()
    (project.root / AUDIT_LOG).write_bytes(b"")
    with pytest.raises(TamperedError) as told:
        audit_log(project, verify=True)
    assert any(f"{entry['id'][:12]} is missing: what is deployed on local" in fault
               for fault in told.value.faults)  # fmt: skip
    (project.root / AUDIT_LOG).write_bytes(whole)
    assert [x.version for x in audit_log(project).live] == [entry["subject"]["digest"][:12]]
    deploy(project, stop=True)
    assert place.anchor() is None
    assert audit_log(project, verify=True).verified
    assert audit_log(project).live == ()


def test_a_target_elsewhere_is_refused_and_that_is_recorded(project: Project) -> None:
    digest = crown(project, "one", 200).digest
    told = {"governance": {"residency": "eu"}, "deploy": {"regions": {"local": "us-east-1"}}}
    raw = project.config.model_dump(by_alias=True, exclude_unset=True)
    away = Project(project.root, check_config(raw | told, file="mlops.yaml"))
    for ask in (plan, deploy):
        with pytest.raises(GateError, match=r"governance\.residency is eu.*us-east-1"):
            ask(away)
    (entry,) = history(project)
    assert (entry["action"], entry["outcome"]) == ("deploy", "refused")
    assert entry["subject"] == {"target": "local", "digest": digest}
    assert "us-east-1" in entry["reason"]
    assert open_target("local", project).status() is None
    assert deployed_on(known_entries(project.root)) == []


def test_a_version_is_deployed_by_its_digits_and_the_champion_stays(project: Project) -> None:
    old, new = crown(project, "a", 60), crown(project, "b", 80)
    assert plan(project, version=old.version).digest == old.digest
    found = deploy(project, version=old.version)
    assert (found.version, answers(found.url or "")) == (old.version, old.digest)
    tracker = open_tracker(project)
    assert tracker.alias(CHAMPION) == new
    assert [e["subject"]["digest"] for e in history(project)] == [old.digest]
    for name, why in (("0" * 12, "knows no version"), (old.version[:11], "is no version")):
        with pytest.raises(UsageError, match=why):
            deploy(project, version=name)
    tracker.tag(new, WITHDRAWN, "erased")
    for verb in (deploy, plan):
        with pytest.raises(UsageError, match=f"{new.version} was withdrawn: erased"):
            verb(project, version=new.version)
    tracker.tag(new, WITHDRAWN, None)
    append(project.root, Draft("reject", "done", {"digest": new.digest}, "biased"), copies=None)
    with pytest.raises(ApprovalError, match=f"{new.version} was rejected by .*: biased"):
        deploy(project, version=new.version)
    assert answers(found.url or "") == old.digest


def test_a_version_without_its_approvals_is_deployed_by_nobody(
    project: Project,
) -> None:
    version = crown(project, "a", 60)
    config = project.config.model_dump(mode="json", by_alias=True)
    asked = {
        **config,
        "register": {"approvals": ["expert"]},
        "governance": {"roles": {"expert": ["b@x.org"]}},
    }
    strict = Project(project.root, check_config(asked, file="mlops.yaml"))
    waits = {"digest": version.digest, "alias": "candidate"}
    append(project.root, Draft("register", "done", waits), copies=None)
    for verb in (deploy, plan):
        with pytest.raises(ApprovalError, match="lacks 1 approval: expert"):
            verb(strict, version=version.version)
    assert open_target("local", project).status() is None


def test_a_folder_that_changes_after_it_was_chosen_is_not_released(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    crown(project, "model", 100)
    other = project.root / "other"
    bundles.write(other, n=120)
    monkeypatch.setattr(CachedTracker, "fetch", lambda *_: other)
    with pytest.raises(BundleError, match="was asked for"):
        deploy(project)
    assert open_target("local", project).status() is None
