"""What a user keeps in dvc.yaml is kept, or the file is left alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mlops_cli.config.load import load_project
from mlops_cli.errors import UsageError
from mlops_cli.pipeline.dvc_yaml import add_missing_sections, check_dvc_yaml, write_dvc_yaml
from mlops_cli.training.plots import importance_plot, plots

CONFIG = "project: x\ntask: binary\ndata: {table: t.csv, target: y}\n"


@pytest.mark.parametrize(
    "text",
    [
        'stages: {mine: {cmd: x, ":md": y}}\n',  # ruamel.yaml writes the key without its quotes
        "stages: {mine: {cmd: " + "9" * 5000 + "}}\n",
        "stages: " + "[" * 600,
        "stages: 2013-99-99\n",
        "stages: [mine]\n",
        "- stages\n",
    ],
)
def test_what_cannot_be_kept_is_refused_and_stays(tmp_path: Path, text: str) -> None:
    (tmp_path / "mlops.yaml").write_text(CONFIG)
    (tmp_path / "dvc.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"dvc\.yaml"):
        write_dvc_yaml(load_project(tmp_path))
    assert (tmp_path / "dvc.yaml").read_text() == text


def test_stages_and_comments_of_the_user_are_kept(tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(CONFIG)
    theirs = "# mine\nstages:\n  mine:\n    cmd: echo mine  # my own\nplots:\n  - a.csv\n"
    (tmp_path / "dvc.yaml").write_text(theirs)
    project = load_project(tmp_path)
    assert write_dvc_yaml(project)
    check_dvc_yaml(project)
    kept = (tmp_path / "dvc.yaml").read_text()
    for line in theirs.splitlines():
        assert line in kept
    assert not write_dvc_yaml(project)


IN_BRACES = {"project": "x", "task": "binary", "data": {"table": "t.csv", "target": "y"}}


@pytest.mark.parametrize(
    "text",
    [
        CONFIG,
        CONFIG.rstrip(),
        json.dumps(IN_BRACES),
        json.dumps(IN_BRACES, indent=2) + "\n",
        "# {mine}\n---\n{ # kept\n" + json.dumps(IN_BRACES)[1:-1] + ",\n}\n",
        "\ufeff" + json.dumps(IN_BRACES),
    ],
    ids=["block", "no end of line", "JSON", "JSON in lines", "comments", "byte order mark"],
)
def test_missing_sections_are_added_in_the_style_of_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "mlops.yaml").write_text(text, encoding="utf-8")
    project = load_project(tmp_path)
    added = add_missing_sections(project)
    assert {"split", "tune", "package"} <= set(added)
    written = (tmp_path / "mlops.yaml").read_text(encoding="utf-8")
    assert load_project(tmp_path).config == project.config
    assert add_missing_sections(project) == []
    assert not written.startswith("{") or json.loads(written)["split"] == {}
    for kept in text.rstrip("}\n").split("{"):
        assert kept in written


def test_dvc_draws_each_table_as_what_it_is(tmp_path: Path) -> None:
    """With the axes and marks of its chart, and not as a line over its rows."""
    (tmp_path / "mlops.yaml").write_text(CONFIG)
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=tmp_path, check=True)
    write_dvc_yaml(load_project(tmp_path))
    rng = np.random.default_rng(0)
    chances = rng.random(200)
    happened = (rng.random(200) < chances).astype(float)
    tables = plots("binary", (0, 1), happened, chances) | importance_plot({"a": 0.9, "b": 0.1})
    (tmp_path / "reports/plots").mkdir(parents=True)
    for name, text in tables.items():
        (tmp_path / "reports/plots" / name).write_text(text)
    shown = subprocess.run(
        ["dvc", "plots", "show", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    drawn = {name: one["content"] for name, (one,) in json.loads(shown.stdout)["data"].items()}
    assert sorted(drawn) == sorted(f"reports/plots/{name}" for name in tables)
    roc = drawn["reports/plots/roc.csv"]["layer"][-1]
    assert roc["mark"]["type"] == "line"
    assert roc["encoding"]["x"]["field"] == "false_positive_rate"
    assert len(roc["data"]["values"]) == 101
    assert drawn["reports/plots/importance.csv"]["layer"][0]["mark"] == "bar"
