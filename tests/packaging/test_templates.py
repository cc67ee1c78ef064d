"""Templates are found in a checkout and in what the wheel installs."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import jinja2
import pytest

from mlops_cli._templates import render, template_folder

ROOT = Path(__file__).resolve().parents[2]
VALUES = {
    "base": "python:3.11-slim",
    "python": "3.11",
    "project": "p",
    "version": "0" * 12,
    "digest": "0" * 64,
    "user": 65532,
    "port": 8000,
    "ready": "/readyz",
    "extras": False,
}


def test_a_checkout_renders_from_its_own_templates() -> None:
    assert template_folder() == ROOT / "templates"
    assert "FROM python:3.11-slim" in render("image/Dockerfile.j2", **VALUES)


def test_a_forgotten_value_is_an_error_not_an_empty_text() -> None:
    with pytest.raises(jinja2.UndefinedError, match="digest"):
        render("image/Dockerfile.j2", **{k: v for k, v in VALUES.items() if k != "digest"})


def test_the_built_wheel_renders_the_same(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import mlops_cli, json;"
        "from mlops_cli._templates import render, template_folder;"
        "assert str(template_folder()).startswith(sys.argv[1]), template_folder();"
        "sys.stdout.write(render('image/Dockerfile.j2', **json.loads(sys.argv[2])))"
    )
    found = subprocess.run(
        [sys.executable, "-P", "-c", code, str(installed), json.dumps(VALUES)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == render("image/Dockerfile.j2", **VALUES)
    shipped = {
        str(p.relative_to(installed / "mlops_cli/templates"))
        for p in (installed / "mlops_cli/templates").rglob("*")
        if p.is_file()
    }
    assert shipped == {
        str(p.relative_to(ROOT / "templates"))
        for p in (ROOT / "templates").rglob("*")
        if p.is_file() and p.suffix != ".pyc"  # of the verifier, which tests run
    }
