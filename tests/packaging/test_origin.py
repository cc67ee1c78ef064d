"""The labels that say where an image comes from hold no secret."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mlops_cli.packaging.image import repository
from mlops_cli.packaging.origin import origin

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
