"""A project beside what stands in a folder, and several in one repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from command_line import Mlops
from mlops_cli.config.load import load_project
from mlops_cli.errors import UsageError
from mlops_cli.pipeline.dvc_yaml import write_dvc_yaml
from mlops_cli.pipeline.kept import keep_tables
from trips import git, made, trips

pytestmark = pytest.mark.usefixtures("no_git_identity")

THEIRS = {
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\n',
    "notebooks/first.ipynb": "{}\n",
    "README.md": "# mine\n",
    ".gitignore": "build/\n*.log",
    "tests/test_mine.py": "def test_mine():\n    pass\n",
    "clean.py": "import shutil\nshutil.copyfile('params.txt', 'cleaned.txt')\n",
    "params.txt": "1\n",
    "dvc.yaml": "# my pipeline\nstages:\n  clean:  # mine\n    cmd: python clean.py\n"
    "    deps: [clean.py, params.txt]\n    outs:\n      - cleaned.txt\n",
}


def dvc(folder: Path, *command: str) -> str:
    asked = [sys.executable, "-m", "dvc", *command]
    return subprocess.run(asked, cwd=folder, check=True, capture_output=True, text=True).stdout


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of somebody's, with a pipeline of its own; one stands in it."""
    root = tmp_path / "theirs"
    write(root, THEIRS)
    git(root, "init", "--quiet", "--initial-branch", "main")
    dvc(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "mine")
    monkeypatch.chdir(root)
    return root


def test_nothing_of_the_users_is_overwritten(theirs: Path, mlops: Mlops) -> None:
    data, _ = trips(theirs, suffix="csv")
    result = made(Path(), data, time="made")
    for name, text in THEIRS.items():
        if name in (".gitignore", "dvc.yaml"):
            for line in text.splitlines():
                assert line in (theirs / name).read_text().splitlines(), name
        else:
            assert (theirs / name).read_text() == text, name
    assert git(theirs, "log", "--format=%s") == "mine\n", "nothing is committed"
    assert "README.md is yours, and stays as it is" in result.warnings
    assert load_project(theirs).config.data.table == "trips.csv", "it stays where it is"
    assert (theirs / "trips.csv.dvc").is_file()
    assert "model" in [line.strip("/") for line in (theirs / ".gitignore").read_text().split()]
    assert not write_dvc_yaml(load_project(theirs))
    assert git(theirs, "diff", "--stat", "--", "*.toml", "notebooks", "tests/test_mine.py") == ""
    assert not list(theirs.glob(".mlops-new*"))
    ran = mlops(theirs, "run", "validate", "clean", "--json", code=0)
    assert (theirs / "cleaned.txt").read_text() == "1\n"
    assert ("clean", "ran") in [(s["name"], s["state"]) for s in ran.result["stages"]]
    with pytest.raises(UsageError, match="is a project already"):
        made(Path(), data)


def test_what_is_in_the_way_is_told_before_anything_is_written(theirs: Path) -> None:
    data, _ = trips(theirs.parent, suffix="csv")
    write(theirs, {"model/mine": "1", "metrics.json": "{}", ".gitignore": "*.json\ndata/\n"})
    before = git(theirs, "status", "--porcelain")
    with pytest.raises(UsageError) as refused:
        made(Path(), data)
    said = refused.value.message
    for part in ("model is there", "metrics.json is there", ".gitignore:1:*.json", "trips.csv.dvc"):
        assert part in said
    assert git(theirs, "status", "--porcelain") == before
    assert (theirs / "model/mine").read_text() == "1"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("dvc.yaml", "stages:\n  train:\n    cmd: python t.py\n", "a stage 'train' of your own"),
        ("dvc.yaml", "stages:\n  a:\n    cmd: b\n    outs: [model/x]\n", "'a' writes model/x"),
        ("contracts/trips.yaml", "columns: {}\n", "contracts/trips.yaml is there"),
        (".github/workflows/mlops.yml", "name: mine\n", "workflows/mlops.yml is there"),
        ("data/raw/trips.csv", "mine\n", "data/raw/trips.csv is there"),
    ],
)
def test_one_thing_in_the_way(theirs: Path, name: str, text: str, said: str) -> None:
    data, _ = trips(theirs.parent, suffix="csv")
    write(theirs, {name: text})
    before = git(theirs, "status", "--porcelain", "--untracked-files=all")
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        made(Path(), data)
    assert git(theirs, "status", "--porcelain", "--untracked-files=all") == before
    assert (theirs / name).read_text() == text


def test_a_folder_that_one_does_not_stand_in(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = trips(theirs.parent)
    monkeypatch.chdir(theirs.parent)
    with pytest.raises(UsageError, match="not empty") as refused:
        made(Path("theirs"), data)
    assert "cd theirs && mlops init ." in str(refused.value.hint)


def test_several_models_in_one_repository(tmp_path: Path, mlops: Mlops) -> None:
    data, _ = trips(tmp_path, suffix="csv")
    top = tmp_path / "mono"
    top.mkdir()
    git(top, "init", "--quiet", "--initial-branch", "main")
    write(top, {"mine.txt": "1\n"})
    for name in ("a", "b"):
        made(top / "models" / name, data, time="made")
        root = top / "models" / name
        assert not (root / ".dvc").exists()
        assert not (root / ".github").exists()
        flow = YAML(typ="safe").load(top / f".github/workflows/mlops-models-{name}.yml")
        paths = [f"models/{name}/**", f".github/workflows/mlops-models-{name}.yml"]
        assert flow["on"]["push"]["paths"] == flow["on"]["pull_request"]["paths"] == paths
        run = flow["jobs"]["pipeline"]["defaults"]["run"]
        assert run == {"working-directory": f"models/{name}"}
    assert (top / ".dvc").is_dir()
    assert git(top, "status", "--porcelain") == "?? mine.txt\n"
    assert mlops(top / "models/a", "run", "validate", code=0)
    states = mlops(top / "models/b", "status", "--json", code=0).result["stages"]
    assert "up to date" not in {one["state"] for one in states}
    states = mlops(top / "models/a", "status", "--json", code=0).result["stages"]
    assert states[0]["state"] == "up to date"


def test_a_repository_that_failed_to_be_made_leaves_nothing(tmp_path: Path) -> None:
    top = tmp_path / "mono"
    top.mkdir()
    git(top, "init", "--quiet")
    (tmp_path / "t.csv").write_text("a,y\n1,1\n")
    with pytest.raises(Exception, match=r".+"):
        made(top / "models/a", tmp_path / "t.csv", target="y")
    assert [p.name for p in top.iterdir() if p.name != ".git"] in ([], ["models"])
    assert git(top, "status", "--porcelain") == ""


def test_every_table_is_kept_by_somebody(tmp_path: Path) -> None:
    data, _ = trips(tmp_path, suffix="csv")
    root = tmp_path / "p"
    made(root, data, time="made")
    config = (root / "mlops.yaml").read_text()
    joined = ("data/raw/by_dvc.csv", "data/raw/by_git.csv", "data/raw/by_stage.csv")
    write(root, dict.fromkeys(joined, "company,size\none,1\n"))
    git(root, "add", "--force", "data/raw/by_git.csv")
    joins = "".join(f"    - {{table: {t}, on: [company], columns: [size]}}\n" for t in joined)
    (root / "mlops.yaml").write_text(
        config.replace("features:\n", f"features:\n  join:\n{joins}", 1)
    )
    stage = "stages:\n  mine:\n    cmd: make it\n    outs:\n      - data/raw/by_stage.csv\n"
    (root / "dvc.yaml").write_text(stage)
    keep_tables(load_project(root))
    kept = [table for table in joined if (root / f"{table}.dvc").exists()]
    assert kept == ["data/raw/by_dvc.csv"]
    git(root, "add", "--all")
    assert "data/raw/by_dvc.csv.dvc" in git(root, "ls-files").splitlines()
    assert "data/raw/by_dvc.csv" not in git(root, "ls-files").splitlines()


def test_what_is_made_again_is_ignored_by_git(tmp_path: Path) -> None:
    data, _ = trips(tmp_path)
    made(tmp_path / "p", data)
    write(
        tmp_path / "p",
        dict.fromkeys(
            ("reports/drift.html", "dvc_plots/index.html", "scored.csv", "scored.parquet"), ""
        ),
    )
    assert git(tmp_path / "p", "status", "--porcelain", "--untracked-files=all") == ""
