"""A model that is imported while another one earns its traffic: it waits for the end of that."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import xgboost

import rolling
from command_line import Mlops
from mlops_cli.actions.deploy import deploy
from mlops_cli.errors import UsageError


def model(folder: Path) -> tuple[Path, Path]:
    """A model of two of the inputs, and rows that it may be proven on."""
    draw, names = np.random.default_rng(0), ["distance", "temp"]
    rows = np.column_stack([draw.integers(50, 3000, 300), draw.normal(12, 9, 300).round(1)])
    late = rows[:, 0] > 1500
    told = xgboost.DMatrix(rows, late, feature_names=names)
    file, table = folder / "model.ubj", folder / "rows.csv"
    xgboost.train({"objective": "binary:logistic"}, told, 5).save_model(file)
    lines = (f"{d:.0f},{t},{str(w).lower()}" for (d, t), w in zip(rows, late, strict=True))
    table.write_text("\n".join(["distance,temp,late", *lines]))
    return file, table


def test_what_is_imported_meanwhile_is_not_mixed_in(tmp_path: Path, mlops: Mlops) -> None:
    with rolling.pair(tmp_path, rolling.canary()) as pair:
        project, old, new = pair.project, pair.old.version, pair.new.version
        deploy(project)
        file, table = model(tmp_path)
        told = ("import", "--model", file, "--data", table, "--first", "--json")
        imported = mlops(tmp_path, *told, code=0).result
        assert pair.champion() == imported["digest"]
        assert (pair.status().state, pair.status().candidate) == ("running", new)
        with pytest.raises(UsageError, match=f"{new} is being rolled out"):
            deploy(project)
        assert set(pair.ask(100)) == {old, new}
        time.sleep(1)
        assert pair.tick().state == "done"
        assert pair.champion() == imported["digest"]
        begun = deploy(project)
        assert (begun.version, begun.beside) == (imported["version"], new)
