"""`mlops tune --update`: what the champion has is tried before anything is drawn."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import projects
from command_line import Mlops


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return projects.copy(projects.finished("p"), tmp_path / "p")


def config(root: Path, **tune: object) -> dict[str, object]:
    yaml = YAML()
    found = yaml.load(root / "mlops.yaml")
    if tune:
        found["tune"] = tune
        yaml.dump(found, root / "mlops.yaml")
    return dict(found["tune"] or {})


def test_the_champions_parameters_are_the_first_trial(root: Path, mlops: Mlops) -> None:
    best = min(trials(root), key=lambda t: (t["state"] != "complete", -float(t["score"] or "-inf")))
    mlops(root, "tune", "--update", code=0)
    (first,) = config(root)["first"]  # type: ignore[misc]  # a list
    tried = trials(root)[0]
    assert {name: float(tried[name]) for name in first} == {
        name: float(value) for name, value in first.items()
    }
    assert {name: float(best[name]) for name in first} == {
        name: float(value) for name, value in first.items()
    }


def trials(root: Path) -> list[dict[str, str]]:
    with (root / "tune/trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_another_space_begins_anew(root: Path, mlops: Mlops) -> None:
    config(root, trials=2, space={"gamma": {"float": [0.1, 1.0]}})
    done = mlops(root, "tune", "--update", code=2)
    assert "is no point of tune.space: tune.first.0: 'gamma' is missing" in done.err
    assert "first" not in config(root)
