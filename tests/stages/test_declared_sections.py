"""A stage reads the sections that it declares to DVC, and no other: or DVC serves stale results."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import Any

import pytest

from mlops_cli.config.load import load_project
from mlops_cli.config.model import Config
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.stages import STAGES, Stage

# Read by every stage that tracks, and by no cached result: where runs are kept, and worked.
UNTRACKED = {"tracking", "deploy", "drift", "engine"}


class Touched(Exception):
    """An undeclared section was read."""


class Tripwire:
    def __init__(self, section: str) -> None:
        object.__setattr__(self, "_section", section)

    def __getattribute__(self, name: str) -> Any:
        raise Touched(f"{object.__getattribute__(self, '_section')}.{name}")

    def __str__(self) -> str:
        raise Touched(object.__getattribute__(self, "_section"))

    __format__ = __repr__ = __eq__ = __hash__ = __str__  # type: ignore[assignment]


def declared_only(project: Project, stage: Stage) -> Project:
    fields = {field.alias or name: name for name, field in Config.model_fields.items()}
    known = {*stage.params, *(key.partition(".")[0] for key in stage.keys), *UNTRACKED}
    hidden = {name: Tripwire(key) for key, name in fields.items() if key not in known}
    return dataclasses.replace(project, config=project.config.model_copy(update=hidden))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("declared")
    (folder / "data/raw").mkdir(parents=True)
    rows = [f"{i % 17},{i * 7 % 13},{'xyz'[i % 3]},{int(i % 17 > 8)}" for i in range(300)]
    (folder / "data/raw/t.csv").write_text("\n".join(["a,b,c,y", *rows]) + "\n")
    (folder / "mlops.yaml").write_text(
        "project: p\ntask: binary\ndata: {table: data/raw/t.csv, target: y}\n"
        'features: {columns: [a, c], row: {d: "a + b"}}\ntune: {trials: 2, rounds: 5}\n'
    )
    write_missing_contracts(load_project(folder))
    return folder


def test_every_stage_reads_only_what_it_declares(root: Path) -> None:
    for stage in STAGES:  # in the pipeline's order: each needs what those before it made
        work = getattr(importlib.import_module(stage.module), stage.name)
        work(declared_only(load_project(root), stage))


def test_an_undeclared_section_would_be_noticed(root: Path) -> None:
    blind = dataclasses.replace(STAGES[0], params=("project",))
    work = getattr(importlib.import_module(STAGES[0].module), STAGES[0].name)
    with pytest.raises(Touched, match=r"features|data"):
        work(declared_only(load_project(root), blind))
