"""The labels that say where an image comes from hold no secret."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mlops_cli.errors import UsageError
from mlops_cli.packaging.image import repository
from mlops_cli.packaging.origin import created, origin

SOURCE = "org.opencontainers.image.source"


def repo(folder: Path, remote: str) -> Path:
    subprocess.run(["git", "init", "-q", folder], check=True)
    subprocess.run(["git", "-C", folder, "remote", "add", "origin", remote], check=True)
    return folder


@pytest.mark.parametrize(
    ("remote", "label"),
    [
        (
            "https://me:s3cret@example.com:8443/t/p.git?token=s3cret",
            "https://example.com:8443/t/p.git",
        ),
        ("https://s3cret@example.com/t/p.git", "https://example.com/t/p.git"),
        ("https://me:s3cret@example.com:port/t.git", "https://example.com:port/t.git"),
        ("https://me:s3cr@t@example.com/t.git", "https://example.com/t.git"),
        ("git@example.com:t/p.git", "git@example.com:t/p.git"),
        ("/srv/git/p.git", "/srv/git/p.git"),
    ],
)
def test_a_login_in_the_remote_does_not_get_into_the_label(
    tmp_path: Path, remote: str, label: str
) -> None:
    assert origin(repo(tmp_path, remote)) == {SOURCE: label}


def test_no_repository_no_label(tmp_path: Path) -> None:
    assert origin(tmp_path) == {}


def test_what_is_no_url_is_no_label(tmp_path: Path) -> None:
    assert origin(repo(tmp_path, "https://me:s3cret@[::1/t.git")) == {}


def test_it_was_created_when_the_variable_says_or_else_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = "org.opencontainers.image.created"
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    root = repo(tmp_path, "git@example.com:t/p.git")
    assert created(root) == {}
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2024-02-29T01:30:00+02:00")
    who = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    commit = ("commit", "-q", "--allow-empty", "-m", "x")
    subprocess.run(["git", "-C", root, *who, *commit], check=True)
    assert created(root) == {label: "2024-02-28T23:30:00Z"}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "315532800")
    assert created(root) == {label: "1980-01-01T00:00:00Z"}


@pytest.mark.parametrize("said", ["yesterday", "1e9", "9" * 30])
def test_a_time_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", said)
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH is no number of seconds"):
        created(tmp_path)


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ("delays", "delays"),
        ("Flight_Delays.v2", "flight-delays-v2"),
        ("A--b__c", "a-b-c"),
        ("x-", "x"),
    ],
)
def test_a_project_s_name_becomes_a_repository_s(project: str, name: str) -> None:
    assert repository(project) == name
