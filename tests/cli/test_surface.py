"""Help pages, the reference, the published schemas: made from the code, and up to date."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from command_line import Mlops
from mlops_cli.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]


def script(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_page(command: str, mlops: Mlops, tmp_path: Path) -> None:
    assert f"mlops {command}" in mlops(tmp_path, command, "--help", code=0).out


def test_an_unknown_option_is_exit_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlops_cli", "run", "--nope"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "--nope" in done.stderr


@pytest.mark.parametrize(
    "line", [["run", "--nope"], ["drift"], ["init"], ["serve-it"], ["deploy", "--port", "many"]]
)
def test_what_the_parser_refuses_is_one_json_object_too(line: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mlops_cli", *line, "--json"], capture_output=True, text=True
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["error"]["code"], told["command"]) == (2, 2, line[0])
    assert told["error"]["message"] in done.stderr


def test_the_front_page_names_every_command() -> None:
    module = script("docs/make_reference.py")
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    assert front == module.front(), "python docs/make_reference.py"
    assert {name for name in COMMANDS if f"| `mlops {name}" not in front} == set()


def test_the_reference_is_up_to_date() -> None:
    module = script("docs/make_reference.py")
    assert module.TARGET.read_text(encoding="utf-8") == module.reference()


def test_the_published_schemas_are_up_to_date() -> None:
    module = script("docs/schemas/make.py")
    for name, make in module.SCHEMAS.items():
        text = (module.HERE / name).read_text(encoding="utf-8")
        assert text == module.as_text(make()), f"python docs/schemas/make.py ({name})"


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        ("bash", {"COMP_WORDS": "mlops de", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "mlops de"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "mlops de", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_shells_complete_commands(shell: str, asked: dict[str, str]) -> None:
    env = {**os.environ, "_MLOPS_COMPLETE": f"complete_{shell}", **asked}
    assert set(re.findall(r"\b(demo|deploy|drift|doctor)\b", _completed(env))) == {"demo", "deploy"}


@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("mlops deploy --target ", "local docker kubernetes"),
        ("mlops run --force t", "tune train"),
        ("mlops keys ", "add list revoke"),
    ],
)
def test_shells_complete_choices(line: str, choices: str) -> None:
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    env = {**os.environ, "_MLOPS_COMPLETE": "complete_bash", **asked}
    assert _completed(env).split() == choices.split()


def _completed(env: dict[str, str]) -> str:
    mlops = Path(sys.executable).parent / "mlops"
    return subprocess.run([mlops], env=env, capture_output=True, text=True).stdout


def test_help_is_as_wide_as_the_terminal_and_ends_with_examples() -> None:
    pages = {}
    for columns in ("80", "120"):
        done = subprocess.run(
            [sys.executable, "-m", "mlops_cli", "init", "-h"],
            env={**os.environ, "COLUMNS": columns},
            capture_output=True,
            text=True,
        )
        pages[columns] = done.stdout
        assert max(len(line) for line in done.stdout.splitlines()) <= int(columns)
    assert len(pages["120"].splitlines()) < len(pages["80"].splitlines())
    assert "\n  mlops init churn --data customers.csv --target churned\n" in pages["80"]
