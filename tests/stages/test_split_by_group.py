"""A split by groups, from `mlops.yaml` to the metrics: what repeats in a group is not learned."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import projects
from heard import Heard
from learning import configure, reconfigure
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import DataError, UsageError
from mlops_cli.stages import stage
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.settings import typed
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.stages.validate import validate
from mlops_cli.training.data import read_events


def panel(root: Path, split: dict[str, object], customers: int = 150) -> Project:
    """Rows of customers, of whom `a` is a fingerprint; nothing but `b` tells their label."""
    rng = random.Random(2)
    (root / "data/raw").mkdir(parents=True)
    with (projects.with_database(root) / "data/raw/panel.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["customer", "site", "half", "a", "b", "label"])
        for i in range(customers):
            risk, taste = rng.random() < 0.5, rng.random()
            for _ in range(rng.randint(6, 12)):
                name = "" if i < 10 else f"c{i}"
                b = round(rng.gauss(0, 1) + 0.3 * risk, 4)
                out.writerow([name, f"s{i % 4}", i % 2, round(taste, 6), b, int(risk)])
    project = configure(
        root,
        {
            "project": "panel",
            "task": "binary",
            "data": {"table": "data/raw/panel.csv", "target": "label"},
            "features": {"columns": ["a", "b"]},
            "tune": {"trials": 2, "rounds": 30},
            "split": split,
        },
    )
    write_missing_contracts(project)
    validate(project)
    featurize(project)
    return project


def worth(project: Project) -> float:
    tune(project)
    return float(train(project).holdout["roc_auc"])


def test_by_rows_a_fingerprint_is_learned_and_by_customers_it_is_not(tmp_path):
    by_rows = worth(panel(tmp_path / "rows", {"by": "random"}))
    project = panel(tmp_path / "groups", {"by": "group", "key": "customer"})
    assert by_rows > 0.8
    assert worth(project) < 0.7
    kept = json.loads((project.root / "model/provenance.json").read_text())["fitted"]
    assert (kept["by"], kept["key"]) == ("group", ["customer"])


def test_it_says_how_many_groups_each_part_has_and_which_rows_have_none(tmp_path):
    project, heard = panel(tmp_path / "p", {"key": "customer"}), Heard()
    tune(project, progress=heard)
    (said,) = [line for line in heard.lines if "groups by customer" in line]
    table = pq.read_table(project.root / "data/features.parquet", columns=["__id__customer"])
    alone = table["__id__customer"].null_count
    assert alone > 50
    assert said.startswith(f"{140 + alone} groups by customer: ")
    assert said.endswith(f"{alone} rows have no customer: each is a group of its own")


def test_a_key_of_several_columns_and_one_that_nothing_has(tmp_path):
    project = panel(tmp_path / "p", {"key": ["site", "customer"]}, customers=30)
    events = read_events(project.root, project.config)
    assert len(np.unique(events.groups)) > 20
    with pytest.raises(UsageError, match=r"split\.key: no column `custmer`") as e:
        featurize(reconfigure(project, split={"key": "custmer"}))
    assert "customer" in (e.value.hint or "")


def test_few_groups_are_too_few_for_three_parts(tmp_path):
    project = panel(tmp_path / "p", {"key": "half"}, customers=40)
    with pytest.raises(DataError, match=r"split\.key tells 2 groups apart"):
        tune(project)


def test_another_key_makes_the_features_again_and_no_key_leaves_them(tmp_path):
    project = panel(tmp_path / "p", {"by": "random"}, customers=20)
    me = stage("featurize")

    def settings(split: dict[str, object]) -> str:
        return typed(reconfigure(project, split=split).config, me.params, me.keys)

    assert settings({"by": "random"}) == settings({}) == settings({"validation": 0.3})
    assert settings({"key": "customer"}) != settings({"key": "site"}) != settings({})
    with pytest.raises(DataError, match=r"lacks a column of split\.key"):
        tune(reconfigure(project, split={"key": "customer"}))


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"by": "group"}, "by is group, and key names no column"),
        ({"by": "random", "key": "k"}, "key is for groups, and by is random"),
        ({"key": ["k", "k"]}, "key names a column twice"),
        ({"by": "random", "gap": "1d"}, "split.gap is a time, and rows are split by random"),
        ({"repeats": 3}, "repeats draws folds anew, and folds names no number"),
        ({"key": "x.y", "folds": 1}, "split.folds"),
        ({"key": "t"}, "split.key names the target"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, split, said):
    config = {"project": "p", "task": "binary", "data": {"table": "d/t.csv", "target": "t"}}
    (tmp_path / "mlops.yaml").write_text(json.dumps({**config, "split": split}))
    with pytest.raises(UsageError, match=said.replace(".", r"\.")):
        load_project(tmp_path)
