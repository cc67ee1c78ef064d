"""A machine that git does not know the user of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import receipts


@pytest.fixture
def no_git_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that git and DVC know nothing of."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(home / "dvc"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that answered the requests n0 to n4 and `three`; not to be changed."""
    root = receipts.project(tmp_path_factory.mktemp("receipts") / "parcels")
    requests = [(f"n{n}", [receipts.event(n)]) for n in range(5)]
    receipts.asked(root, [*requests, ("three", [receipts.event(n) for n in range(3)])])
    return root


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ann acts, and has a key; `signers` is the file that names it."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ann@example.org")
    for name in ("ann", "eve"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
    public = " ".join((tmp_path / "ann.pub").read_text().split()[:2])
    (tmp_path / "signers").write_text(f"ann@example.org {public}\n")
    return tmp_path
