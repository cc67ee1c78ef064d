"""Wheels for an image: fetched once, locked, checked by hash; what fails says why."""

from __future__ import annotations

import base64
import hashlib
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from mlops_cli.errors import EnvironmentFault
from mlops_cli.packaging.dependencies import BUNDLE, dependencies_layer
from mlops_cli.packaging.wheels import LOCK, Environment, cache_folder, fetch_wheels
from mlops_cli.progress import QUIET

PYTHON = ".".join(map(str, sys.version_info[:2]))
TAG = "py3-none-manylinux_2_28_x86_64"


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only index that pip knows: a folder with one wheel, and a cache of our own."""
    folder = tmp_path / "index"
    wheel(folder, "1.0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wheel(folder: Path, version: str) -> Path:
    """A wheel with a module, its tests, a header and a script."""
    folder.mkdir(exist_ok=True)
    info = f"little-{version}.dist-info"
    files = {
        "little/__init__.py": f"version = '{version}'\n",
        "little/tests/test_it.py": "assert True\n",
        "little/it.h": "int x;\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: little\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {TAG}\n",
        f"{info}/entry_points.txt": "[console_scripts]\nlittle = little:main\n",
    }
    path = folder / f"little-{version}-{TAG}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        record = ""
        for name, text in files.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{name},sha256={digest.decode().rstrip('=')},{len(text)}\n"
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


def environment(requirements: str = "little==1.0\n") -> Environment:
    return Environment(requirements, PYTHON, "amd64")


def test_the_lock_holds_every_wheel_s_hash(index: Path) -> None:
    folder = fetch_wheels(environment(), progress=QUIET)
    digest = hashlib.sha256((index / f"little-1.0-{TAG}.whl").read_bytes()).hexdigest()
    assert (folder / LOCK).read_text() == f"little==1.0 --hash=sha256:{digest}\n"


def test_what_was_fetched_needs_no_index_any_more(index: Path) -> None:
    fetch_wheels(environment(), progress=QUIET)
    for file in index.iterdir():
        file.unlink()
    layer = dependencies_layer(environment(), progress=QUIET)
    with tarfile.open(layer.file) as tar:
        names = set(tar.getnames())
    assert f"{BUNDLE.folder}/{BUNDLE.path}/little/__init__.py" in names
    assert not [n for n in names if "/tests" in n or n.endswith(".h") or "/bin" in n]
    assert [n for n in names if n.endswith(".pyc")], "it starts from byte code"


def test_the_same_wheels_are_the_same_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = dependencies_layer(environment(), progress=QUIET)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    two = dependencies_layer(environment(), progress=QUIET)
    assert (one.file != two.file, one.sha256) == (True, two.sha256)


def test_a_wheel_that_was_changed_in_the_cache_is_refused() -> None:
    folder = fetch_wheels(environment(), progress=QUIET)
    with zipfile.ZipFile(folder / f"little-1.0-{TAG}.whl", "a") as archive:
        archive.writestr("little/more.py", "x = 1\n")
    with pytest.raises(EnvironmentFault, match=r"(?i)hash"):
        dependencies_layer(environment(), progress=QUIET)


def test_a_layer_that_was_changed_in_the_cache_is_made_anew() -> None:
    layer = dependencies_layer(environment(), progress=QUIET)
    good = layer.file.read_bytes()
    layer.file.write_bytes(good[:-10] + b"x" * 10)
    assert dependencies_layer(environment(), progress=QUIET) == layer
    assert layer.file.read_bytes() == good


def test_what_the_index_lacks_is_named_and_leaves_nothing() -> None:
    with pytest.raises(EnvironmentFault, match=r"little==2\.0") as refused:
        fetch_wheels(environment("little==2.0\n"), progress=QUIET)
    assert "pip config" in (refused.value.hint or "")
    assert not list(cache_folder().rglob("*.whl"))


def test_an_interpreter_without_pip_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare"
    bare.write_text('#!/bin/sh\necho "$0: No module named pip" >&2; exit 1\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(EnvironmentFault, match="has no pip") as refused:
        fetch_wheels(environment(), progress=QUIET)
    assert "ensurepip" in (refused.value.hint or "")


def test_another_machine_has_another_key_and_the_xgboost_that_is_built_for_it() -> None:
    text = "numpy==2.4.6\nxgboost-cpu==3.2.0\n"
    intel, arm = Environment(text, "3.11", "amd64"), Environment(text, "3.11", "arm64")
    assert intel.lines == text
    assert arm.lines == "numpy==2.4.6\nxgboost==3.2.0\n"
    assert intel.key != arm.key
    assert "manylinux_2_28_aarch64" in arm.options()
