"""mlops compare: commits, experiments, versions, runs and the work tree against one another."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mlops_cli
import projects
from command_line import Mlops
from mlops_cli.actions.compare import CompareResult, Difference, MetricComparison
from mlops_cli.config.load import load_project
from mlops_cli.errors import UsageError


def git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@x.org")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose run is committed, and whose work tree differs from it in a bit of all."""
    root = tmp_path_factory.mktemp("compared") / "parcels"
    projects.copy(projects.finished("parcels"), root)
    git(root, "add", ".")
    git(root, "commit", "-qm", "a run")
    edit(root / "mlops.yaml", "train: {}", "train: {seed: 7}")
    edit(root / "contracts/parcels.yaml", "nullable: true", "nullable: false")
    lock = (root / "dvc.lock").read_text()
    md5 = next(i["md5"] for i in deps(lock) if i["path"] == "data/raw/parcels.csv")
    (root / "dvc.lock").write_text(lock.replace(md5, "f" * 32))
    metrics = json.loads((root / "metrics.json").read_text())
    metrics["holdout"] |= {"roc_auc": 0.95, "roc_auc_low": 0.9, "roc_auc_high": 0.98}
    del metrics["holdout"]["f1"]
    (root / "metrics.json").write_text(json.dumps(metrics))
    return root


def deps(lock: str, stage: str = "validate") -> list[dict[str, Any]]:
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(lock)["stages"][stage].get("deps", [])


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def compared(root: Path, *names: str) -> CompareResult:
    return mlops_cli.compare(load_project(root), *names)


def by_name(found: list[Difference] | None) -> dict[str, tuple[Any, Any]]:
    assert found is not None
    return {d.name: (d.a, d.b) for d in found}


def metric(result: CompareResult, name: str) -> MetricComparison:
    return next(m for m in result.metrics if m.name == name)


def test_a_commit_and_the_work_tree(changed: Path) -> None:
    before = json.loads(git(changed, "show", "HEAD:metrics.json"))["holdout"]
    found = compared(changed, "HEAD")
    assert (found.a.kind, found.b.kind) == ("commit", "workspace")
    assert found.a.id == git(changed, "rev-parse", "HEAD")
    main = found.metrics[0]
    assert (main.name, main.a, main.b) == ("roc_auc", before["roc_auc"], 0.95)
    assert main.a_interval == (before["roc_auc_low"], before["roc_auc_high"])
    assert main.b_interval == (0.9, 0.98)
    assert main.difference == pytest.approx(0.95 - before["roc_auc"])
    assert (metric(found, "f1").b, metric(found, "f1").difference) == (None, None)
    assert not [m for m in found.metrics if m.name.endswith(("_low", "_high"))]
    assert found.metrics[-1].name.startswith("validation_")
    assert by_name(found.settings) == {"train.seed": (None, 7)}
    assert by_name(found.params) == {"seed": (0, 7)}
    ((key, values),) = by_name(found.contracts).items()
    assert key.startswith("contracts/parcels.yaml: columns.")
    assert values == (True, False)
    assert by_name(found.data)["data/raw/parcels.csv"][1] == "f" * 32
    assert found.features == []
    assert any("metrics are of different rows" in said for said in found.remarks)


def test_other_settings_and_features_are_no_other_rows(tmp_path: Path) -> None:
    root = projects.copy(projects.finished("parcels"), tmp_path / "parcels")
    git(root, "add", ".")
    git(root, "commit", "-qm", "a run")
    lock = (root / "dvc.lock").read_text()
    for stage in ("settings", "tune", "train"):
        for read in deps(lock, stage):
            if read["path"] != "tune/best.json":
                lock = lock.replace(read["md5"], read["md5"][::-1])
    (root / "dvc.lock").write_text(lock)
    (root / "data/features.json").write_text('{"data_digest": "other"}')
    found = compared(root, "HEAD")
    assert "data/raw/parcels.csv" not in by_name(found.data)
    assert not [n for n in by_name(found.data) if n.startswith(("settings/", "mlops."))]
    assert found.remarks == []


def test_a_version_its_run_and_its_commit_are_the_same(changed: Path) -> None:
    run = json.loads((changed / "model/provenance.json").read_text())["run_id"]
    version = mlops_cli.load(changed / "model").version
    names = ("champion", version, "models:/parcels/1", "models:/parcels@champion", run)
    for name in names:
        found = compared(changed, name, "HEAD")
        assert found.a.kind == ("run" if name == run else "version")
        assert {m.difference for m in found.metrics if m.name != "rounds"} == {0.0}
        assert found.params == []
        assert found.data == []
        assert found.contracts is None
        assert found.settings is None
        assert found.features == (None if name == run else [])
        assert found.remarks == []


def test_a_commit_before_anything_was_trained(changed: Path) -> None:
    found = compared(changed, "HEAD~1", "HEAD")
    assert {m.a for m in found.metrics} == {None}
    assert found.params is None
    assert found.remarks == ["HEAD~1 has no metrics: nothing was trained there"]


def test_what_dvc_keeps_elsewhere_is_said(changed: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(changed), "clone")
    found = compared(clone, "HEAD", "HEAD")
    assert found.params is None
    assert found.features is None
    assert metric(found, "roc_auc").difference == 0.0
    assert "what DVC keeps of HEAD is not in this clone" in found.remarks[0]


@pytest.mark.parametrize("shared", [True, False])
def test_a_project_in_a_folder_of_a_repository(tmp_path: Path, shared: bool) -> None:
    root = projects.copy(projects.finished("p"), tmp_path / "models/p")
    shutil.rmtree(root / ".git")
    if shared:
        for name in (".dvc", ".dvcignore"):
            (root / name).rename(tmp_path / name)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "a run")
    found = compared(root, "HEAD")
    assert found.a.model == found.b.model is not None
    assert found.metrics
    assert {m.difference for m in found.metrics} == {0.0}
    assert (found.params, found.data, found.contracts, found.features) == ([], [], [], [])


def test_an_unknown_name_is_refused(changed: Path) -> None:
    for name in ("nope", "0" * 12, "0" * 32, "--all", "models:/parcels/9", "99"):
        told = r"is no git revision|has no version or alias 9 of parcels"
        with pytest.raises(UsageError, match=told):
            compared(changed, name)
    empty = git(changed, "commit-tree", "-m", "x", git(changed, "mktree", "--missing"))
    with pytest.raises(UsageError, match=r"has no mlops.yaml"):
        compared(changed, empty)


def test_the_table_in_a_terminal(changed: Path, mlops: Mlops) -> None:
    said = mlops(changed, "compare", "HEAD", code=0).out
    assert "difference" in said.splitlines()[0]
    assert said.splitlines()[1].startswith("roc_auc ")
    assert "[0.9, 0.98]" in said
    assert "train.seed" in said
    result = mlops(changed, "compare", "HEAD", "champion", "--json", code=0).result
    assert result["a"]["kind"] == "commit"
    assert result["metrics"][0]["difference"] == 0.0
    refused = mlops(changed, "compare", "nope", code=2)
    assert "no git revision" in refused.err


@pytest.mark.slow
def test_an_experiment_of_dvc_by_its_name(tmp_path: Path) -> None:
    root = projects.copy(projects.finished("p"), tmp_path / "p")
    git(root, "add", ".")
    git(root, "commit", "-qm", "a run")
    git(root, "config", "user.name", "a")
    git(root, "config", "user.email", "a@x.org")
    dvc = [str(Path(sys.executable).parent / "dvc"), "exp", "run", "-n", "shallow"]
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    setting = "mlops.yaml:+train.params={max_depth: 2}"
    subprocess.run([*dvc, "-S", setting], cwd=root, check=True, env=path, capture_output=True)
    git(root, "checkout", "-q", "-f", "HEAD")
    found = compared(root, "HEAD", "shallow")
    assert found.b.kind == "experiment"
    assert by_name(found.settings) == {"train.params.max_depth": (None, 2)}
    assert by_name(found.params)["max_depth"][1] == 2
    assert metric(found, found.metrics[0].name).b is not None
