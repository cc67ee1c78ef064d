"""`register` shows a new model beside the champion, on the same rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import projects
from mlops_cli.actions.register import register
from mlops_cli.config.load import load_project
from mlops_cli.errors import GateError
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune


def test_a_weaker_model_is_shown_beside_the_champion_that_it_does_not_beat(tmp_path: Path) -> None:
    root = projects.copy(projects.finished("parcels"), tmp_path / "p")
    page = root / "reports/evaluation.html"
    assert "Beside the champion" not in page.read_text()
    best = json.loads((root / "metrics.json").read_text())["holdout"]
    champion = json.loads((root / "decision.json").read_text())["digest"][:12]
    config = root / "mlops.yaml"
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(x for x in lines if not x.startswith(("    - weight", "    - km"))))
    project = load_project(root)
    for stage in (featurize, tune, train):
        stage(project)
    with pytest.raises(GateError):
        register(project)
    text = page.read_text()
    assert f"Beside the champion <code>{champion}</code>" in text
    assert "By roc_auc it is surely worse than the champion: -" in text
    for metric in ("roc_auc", "log_loss", "accuracy"):  # of its own hold-out, which is the same
        assert f"<td>{best[metric]:.4g}</td>" in text
