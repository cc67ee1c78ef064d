"""The architecture as tests: what import-linter and ruff cannot say."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import mentions
import mlops_cli
from mlops_cli.actions import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "mlops_cli"
TESTS = ROOT / "tests"
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = CONFIG["tool"]["importlinter"]["contracts"]
PORTS = (
    "governance/gates",
    "packaging",
    "reports",
    "sources",
    "tables",
    "targets",
    "tracking",
    "training",
    "tuning",
)
SEAMS = {  # the files that may load a module by its name, which mypy cannot follow
    "_adapters.py",
    "exports/contracts/__init__.py",  # a form, of which one is made by another library
    "importing/__init__.py",  # the library that a model is of
    *(f"{port}/__init__.py" for port in PORTS),  # a port's adapter
    "serving/online/opened.py",  # the same, for features that are looked up
    "serving/cache.py",  # the client of Redis, where one is asked for
    "serving/logs.py",  # the client of object storage, where one is asked for
    "serving/models.py",  # a model's runtime; the versions that a manifest names
    "serving/tracing.py",  # spans, where an endpoint is configured
    "serving/rollouts/worker.py",  # what takes part in a rollout, where there is one
    "serving/server.py",  # the second port, of an extra
    "serving/trust.py",  # the library of signatures, where keys are trusted
    "_modules.py",  # of the project, not ours
    "training/selection/__init__.py",  # a way to put features in order
    "training/sklearn_source.py",  # the user's own class
    "sources/drivers.py",  # what a URL asks for
    "stages/__init__.py",  # a stage or a command, when it is asked for
    "pipeline/erasure/__init__.py",  # a place that may hold a person's rows
    "pipeline/stage.py",  # lineage, where it is asked for
    "governance/judged.py",  # registered features, where there are some
    "actions/__init__.py",
    "cli/app.py",
    "__init__.py",
    "actions/doctor.py",  # the libraries of others, each by itself
}
DATA_TYPES = {"numpy", "pandas", "pyarrow", "scipy"}
LIGHT = {"httptools", "msgspec", "packaging", "platformdirs", "pydantic", "rich",
    "ruamel.yaml", "typer", "uvloop"}  # fmt: skip
NAMES = {
    "grpc": "grpcio",
    "sklearn": "scikit-learn",
    "adbc_driver_manager": "adbc-driver-manager",
    "confluent_kafka": "confluent-kafka",
}  # a module whose package has another name
ENGINES = next(c for c in CONTRACTS if "engine" in c["name"])["forbidden_modules"]
HEAVY = (*sorted(DATA_TYPES), *ENGINES)


def heavy_after(statement: str) -> list[str]:
    code = f"{statement}; import sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "statement",
    [
        "import mlops_cli",
        "import mlops_cli.cli.app",
        "import mlops_cli.cli.stage",
        *[f"import mlops_cli.{path.parent.name}" for path in SRC.glob("*/__init__.py")],
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(statement: str) -> None:
    assert heavy_after(statement) == []


def test_dvcs_door_needs_neither_typer_nor_rich() -> None:
    code = "import sys, mlops_cli.cli.stage; print('typer' in sys.modules, 'rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_every_suppression_has_its_reason_beside_it() -> None:
    bare = re.compile(r"#\s*(noqa(: [A-Z0-9, ]+)?|type: ignore(\[[\w, -]+\])?)\s*$", re.M)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in SRC.rglob("*.py")
        for match in bare.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_what_is_decoded_in_threads_is_ready_before_them() -> None:
    """A type that two threads decode first ends the process: decoders are made by the import."""
    late = re.compile(r"\.decode\((?:[^()]|\([^()]*\))*type=_?[A-Z]")
    assert late.search("msgspec.json.decode(self.content(PROFILE), type=Profile)")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for folder in ("bundle", "expressions", "serving")
        for path in (SRC / folder).rglob("*.py")
        for match in late.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def lines_of(folder: Path) -> tuple[dict[str, int], dict[str, int]]:
    """The lines of every file below the folder, and of every function."""
    files, functions = {}, {}
    for path in folder.rglob("*.py"):
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        files[name] = text.count("\n")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                functions[f"{name}:{node.lineno} {node.name}"] = lines
    return files, functions


@pytest.mark.parametrize("folder", [SRC, TESTS], ids=["src", "tests"])
def test_files_and_functions_stay_small(folder: Path) -> None:
    files, functions = lines_of(folder)
    assert [name for name, lines in files.items() if lines > 400] == []
    assert [name for name, lines in functions.items() if lines > 60] == []
    for counts, most in ((files, 250), (functions, 30)):
        long = sorted(name for name, lines in counts.items() if lines > most)
        assert len(long) <= len(counts) / 10, f"more than a tenth has over {most} lines: {long}"


def test_every_test_file_is_named_for_what_it_tests() -> None:
    wrong = [
        path.relative_to(TESTS).as_posix()
        for path in TESTS.glob("*/**/*.py")
        if path.stem != "conftest"
        and (not path.stem.startswith("test_") or path.stem.startswith(f"test_{path.parent.name}_"))
    ]
    assert wrong == []


def test_import_contracts_name_every_package() -> None:
    floors = next(c for c in CONTRACTS if c["type"] == "layers")
    named = {name.strip() for layer in floors["layers"] for name in layer.split("|")}
    top = {p.name if p.is_dir() else p.stem for p in SRC.iterdir() if _is_module(p)}
    assert top - named == {"__init__", "__main__"}


def _is_module(path: Path) -> bool:
    return (path / "__init__.py").is_file() or path.suffix == ".py"


def test_no_module_is_loaded_by_its_name_outside_the_seams() -> None:
    loaders = {"load_adapter", "import_module", "__import__", "run_module", "exec_module"}
    found = [
        f"{path.relative_to(SRC)}:{node.lineno}"
        for path in SRC.rglob("*.py")
        if str(path.relative_to(SRC)) not in SEAMS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _called(node) in loaders
    ]
    assert found == []


def test_every_module_that_a_seam_names_exists() -> None:
    named = {
        str(node.value)
        for name in SEAMS
        for node in ast.walk(ast.parse((SRC / name).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and _is_module_of_ours(node.value)
    }
    assert len(named) > 10
    assert [name for name in sorted(named) if not importlib.util.find_spec(name)] == []


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _is_module_of_ours(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"mlops_cli(\.\w+)+", value) is not None


def test_every_dependency_is_known_as_what_it_is() -> None:
    declared = {Requirement(line).name for line in CONFIG["project"]["dependencies"]}
    declared -= {"xgboost-cpu"}  # the same module as xgboost
    extras = CONFIG["project"]["optional-dependencies"]
    adapted = [
        *extras["evidently"],
        *extras["s3"],
        *extras["redis"],
        *extras["lightgbm"],
        *extras["catboost"],
        *extras["delta"],
        *extras["kafka"],
        *extras["spark"],
    ]  # what an adapter imports
    declared |= {Requirement(line).name for line in adapted} | {
        "grpcio",
        "opentelemetry",
        "psycopg",
        "adbc-driver-manager",  # of every driver of ADBC
        "sqlalchemy",
    }
    known = {NAMES.get(engine, engine) for engine in ENGINES} | LIGHT | DATA_TYPES
    assert declared == known


def test_a_command_is_parse_load_call_render() -> None:
    long = {p.name: n for p in SRC.glob("cli/commands/*.py") if (n := lines(p)) > 60}
    assert long == {}


def test_every_file_of_a_command_is_in_the_table() -> None:
    files = {path.stem for path in SRC.glob("cli/commands/[!_]*.py")}
    assert files - {command.module.rpartition(".")[2] for command in COMMANDS} == set()


def lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def test_every_command_has_a_python_name() -> None:
    rows = {command.function: command.module for command in COMMANDS}
    extra = {"LoadedModel", "Project", "feature_values", "load", "load_project", "update_project"}
    assert set(mlops_cli.__all__) == set(rows) | extra
    for name, module in rows.items():
        assert getattr(mlops_cli, name).__module__ == module
    tree = ast.parse((SRC / "__init__.py").read_text(encoding="utf-8"))
    told = {  # what a type checker, or an editor, knows of the package
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlops_cli.")
        for alias in node.names
    }
    assert told == rows | {name: told.get(name) for name in extra}


def test_help_loads_no_command() -> None:
    code = (
        "import sys\nfrom mlops_cli.cli.app import app\n"
        "app(['--help'], prog_name='mlops', standalone_mode=False)\n"
        "sys.stderr.write(' '.join(m for m in sys.modules if 'cli.commands' in m or "
        "m.startswith('mlops_cli.actions.') and m != 'mlops_cli.actions.command'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert {c.name for c in COMMANDS if f"\n  {c.name} " not in done.stdout} == set()


def test_every_command_line_in_a_hint_or_a_page_is_one_that_works() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
    found = [(str(p.relative_to(ROOT)), t) for p in pages for t in mentions.typed(p)]
    found += [(str(p.relative_to(ROOT)), t) for p in SRC.rglob("*.py") for t in mentions.strings(p)]
    templates = [p for p in ROOT.glob("templates/**/*") if p.suffix in (".j2", ".yaml")]
    found += [(p.name, p.read_text(encoding="utf-8")) for p in templates]
    assert [(where, what) for where, text in found for what in mentions.wrong(text)] == []
    assert sum("mlops " in text for _, text in found) > 100


@pytest.mark.parametrize(
    "text", ["mlops doctor --dep", "try `mlops doctr`", "mlops run && mlops deploy --targt docker"]
)
def test_a_command_line_that_does_not_work_is_seen(text: str) -> None:
    assert len(list(mentions.wrong(text))) == 1
