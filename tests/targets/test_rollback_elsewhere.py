"""The command rollback where a container or a cluster serves: the champion before answers there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import projects
from clusters import Load, small
from mlops_cli.actions.deploy import deploy
from mlops_cli.actions.rollback import rollback
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.graph import champion, deployed_on
from mlops_cli.audit.log import append, known_entries
from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.targets.base import Release
from mlops_cli.testing.target import get
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION

NAME = f"back-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@contextmanager
def reigned(root: Path, deploying: dict[str, Any], *releases: Release) -> Iterator[Project]:
    """A project whose champions were these, one after another; what runs of it is stopped."""
    config = {"project": NAME, "task": "binary", "data": {"table": "t.csv", "target": "high"}}
    raw = {**config, "deploy": deploying}
    project = Project(projects.with_database(root), check_config(raw, file="mlops.yaml"))
    tracker = open_tracker(project)
    for release in releases:
        version, before = tracker.register(release.bundle), tracker.alias(CHAMPION)
        tracker.set_alias(CHAMPION, version, expected=before)
        subject = {"digest": version.digest} | ({"before": before.digest} if before else {})
        append(root, Draft("register", "done", subject), copies=tracker)
    try:
        yield project
    finally:
        deploy(project, stop=True)


def back(project: Project, first: Release, second: Release) -> None:
    """Deploy the second, and go back to the first."""
    name = project.config.deploy.target
    url = deploy(project).url or ""
    assert get(url)[1]["digest"] == second.digest
    (there,) = rollback(project, reason="complaints").targets
    assert (there.target, there.digest) == (name, first.digest)
    assert get(there.url or "")[1]["digest"] == first.digest
    entries = known_entries(project.root)
    assert (champion(entries), deployed_on(entries)) == (first.digest, [name])


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
def test_a_container_goes_back(
    project: Path, free_port: int, first: Release, second: Release
) -> None:
    deploying = {"target": "docker", "port": free_port}
    with reigned(project, deploying, first, second) as made:
        back(made, first, second)


@pytest.mark.slow  # the way back of a container, and a change of pods that loses nothing, are not
@pytest.mark.kubernetes
def test_a_cluster_goes_back_and_loses_no_request(
    project: Path, namespace: str, first: Release, second: Release
) -> None:
    section = small(namespace, 1).model_dump(mode="json", by_alias=True)
    with reigned(project, {"target": "kubernetes", "kubernetes": section}, first, second) as made:
        url = deploy(made).url or ""
        with Load(url) as load:
            back(made, first, second)
        assert set(load.answers) == {first.version, second.version}
