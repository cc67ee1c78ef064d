"""A bundle of the old format that holds a row of the subject: its files go, its name stays."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import projects
from command_line import Mlops
from mlops_cli import _docker
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.pipeline.dvc_data import md5_of
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, TOMBSTONE, WITHDRAWN, ModelVersion, Tracker
from old_bundles import write_old

SUBJECT = ("--subject", "person=person-00123-zq")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return projects.copy(projects.finished("people"), tmp_path / "people")


@pytest.fixture
def old(project: Path) -> tuple[Tracker, ModelVersion, Bundle]:
    """A version of the old format whose first golden row is the subject's, in DVC's cache, too."""
    header, *rows = (project / "data/raw/people.csv").read_text().splitlines()
    line = next(row for row in rows if row.startswith("person-00123-zq"))
    values = dict(zip(header.split(","), line.split(","), strict=True))
    row: dict[str, Any] = {"city": values["city"], "income": int(values["income"])}
    bundle = write_old(project / "model", project.parent / "old", row)
    tracker = open_tracker(load_project(project))
    version = tracker.register(bundle)
    tracker.fetch(bundle.digest)
    md5 = md5_of(bundle.path / "golden.jsonl")
    kept = project / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes((bundle.path / "golden.jsonl").read_bytes())
    return tracker, version, bundle


def erase(mlops: Mlops, project: Path, *more: str, code: int = 0) -> Any:
    return mlops(project, "erase", *SUBJECT, *more, "--json", code=code).result


def holders(project: Path, bundle: Bundle) -> list[Path]:
    """Files with the golden rows of that bundle, wherever they are in the project."""
    golden = (bundle.path / "golden.jsonl").read_bytes()
    return [f for f in project.rglob("*") if f.is_file() and f.read_bytes() == golden]


def fresh(tracker: Tracker, version: ModelVersion) -> ModelVersion:
    return next(v for v in tracker.versions() if v.digest == version.digest)


def test_its_files_go_and_it_stays_as_a_tombstone(
    project: Path, old: tuple[Tracker, ModelVersion, Bundle], mlops: Mlops
) -> None:
    tracker, version, bundle = old
    assert len(holders(project, bundle)) == 3  # registry, .mlops/bundles, DVC's cache
    erase(mlops, project, "--dry-run")
    assert len(holders(project, bundle)) == 3

    found = erase(mlops, project)
    assert {"where": f"the version {version.version}", "rows": 1} in found["places"]
    assert version.version in found["models"]
    assert holders(project, bundle) == []
    tags = fresh(tracker, version).tags
    assert tags.keys() >= {TOMBSTONE, WITHDRAWN, "erased"}
    told = mlops(project, "deploy", "--version", version.version, "--json", code=2).result
    assert "deleted" in told["message"] or "withdrawn" in told["message"]
    words = ("reproduce", version.version, "--here", "--json")
    assert "were deleted: its golden rows" in mlops(project, *words, code=2).result["message"]
    other = erase_other(mlops, project)
    assert not [rest for rest in other["left"] if version.version in rest["where"]]


def erase_other(mlops: Mlops, project: Path) -> Any:
    words = ("erase", "--subject", "person=person-00124-zq", "--json")
    return mlops(project, *words, code=0).result


def test_the_champion_waits_for_another_one(
    project: Path, old: tuple[Tracker, ModelVersion, Bundle], mlops: Mlops
) -> None:
    tracker, version, bundle = old
    before = tracker.alias(CHAMPION)
    tracker.set_alias(CHAMPION, version, expected=before)
    told = erase(mlops, project, "--dry-run")
    assert "is the champion" in next(
        rest["why"] for rest in told["left"] if rest["where"].endswith(version.version)
    )

    found = erase(mlops, project, code=4)
    assert found["waiting"] == [version.version]
    assert "train and promote another one" in str(found["left"])
    assert "person-00123-zq" not in (project / "data/raw/people.csv").read_text()
    assert open_bundle(tracker.fetch(version.digest)).digest == version.digest
    assert erase(mlops, project, code=4)["waiting"] == [version.version]
    erase_other(mlops, project)  # another subject is not held up

    assert before is not None
    tracker.set_alias(CHAMPION, before, expected=version)
    found = erase(mlops, project)
    assert (found["waiting"], found["failed"]) == ([], False)
    assert holders(project, bundle) == []
    assert TOMBSTONE in fresh(tracker, version).tags
    assert not list((project / ".mlops/erase").glob("*.json"))


@pytest.fixture
def image(old: tuple[Tracker, ModelVersion, Bundle], docker_engine: None) -> Iterator[str]:
    """An image of that version's name in the engine, with nothing in it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w"):
        pass
    name = f"registry.example/team/people:{old[1].version}-batch"
    with _docker.engine("import") as client:
        repository, _, tag = name.rpartition(":")
        client.api.import_image_from_data(content.getvalue(), repository=repository, tag=tag)
        yield name
        if name in [tag for one in client.images.list() for tag in one.tags]:
            client.images.remove(name)


@pytest.mark.docker
def test_its_images_leave_the_engine(
    project: Path, old: tuple[Tracker, ModelVersion, Bundle], image: str, mlops: Mlops
) -> None:
    erase(mlops, project)
    with _docker.engine("list") as client:
        assert image not in [tag for one in client.images.list() for tag in one.tags]
