"""`mlops init --update`: what the template changed comes, what the user wrote stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import Done, Mlops
from mlops_cli.config.load import load_project
from mlops_cli.scaffold.given import Record, read_record, write_record
from trips import git, made, trips

pytestmark = pytest.mark.usefixtures("no_git_identity")
GIVEN = ("README.md", ".gitignore", ".gitattributes", ".github/workflows/mlops.yml",
         "tests/test_project.py")  # fmt: skip
RUN = "mlops run                  #"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh")
    made(folder / "p", trips(folder)[0])
    return folder / "p"


@pytest.fixture
def root(fresh: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", str(fresh), str(tmp_path / "p"))
    return tmp_path / "p"


def older(root: Path, path: str, change: Callable[[str], str]) -> None:
    """Make the project one of a release whose template of `path` was another."""
    record = read_record(root)
    assert record
    files = {**record.files, path: change(record.files[path])}
    write_record(root, Record("0.2.9", files))
    (root / path).write_text(files[path])


def states(done: Done) -> dict[str, str]:
    return {file["path"]: file["state"] for file in done.result["files"]}


def test_a_project_of_this_release_stays_as_it_is(root: Path, mlops: Mlops) -> None:
    assert set(GIVEN) == set(read_record(root).files)  # type: ignore[union-attr]  # it has one
    done = mlops(root, "init", "--update", code=0)
    assert "nothing to change" in done.out
    assert git(root, "status", "--porcelain") == ""


def test_lines_of_the_template_come_and_lines_of_the_user_stay(root: Path, mlops: Mlops) -> None:
    new = (root / "README.md").read_text()
    older(root, "README.md", lambda text: text.replace(RUN, "mlops go   #"))
    with (root / "README.md").open("a") as file:
        file.write("\nAsk Ada.\n")
    done = mlops(root, "init", "--update", code=0)
    assert (root / "README.md").read_text() == f"{new}\nAsk Ada.\n"
    assert "README.md: updated" in done.out
    assert f"  +{RUN}" in done.out
    assert "from 0.2.9 to" in done.out
    assert "nothing to change" in mlops(root, "init", "--update", code=0).out


def test_what_both_changed_stays_the_users_and_is_told_once(root: Path, mlops: Mlops) -> None:
    older(root, "README.md", lambda text: text.replace(RUN, "mlops go   #"))
    older(root, ".gitignore", lambda text: text.replace(".env\n", ""))
    mine = (root / "README.md").read_text().replace("mlops go", "make all  ")
    (root / "README.md").write_text(mine)
    done = mlops(root, "init", "--update", "--json", code=2)
    assert states(done) == {"README.md": "conflict", ".gitignore": "updated"}
    assert (root / "README.md").read_text() == mine
    assert (root / ".gitignore").read_text().endswith(".env\n")
    both = (root / ".mlops/update/README.md").read_text()
    assert "<<<<<<< yours" in both
    assert RUN in both
    assert "nothing to change" in mlops(root, "init", "--update", code=0).out


def test_a_conflict_in_a_workflow_above_the_project_is_kept_aside_in_it(
    tmp_path: Path, mlops: Mlops
) -> None:
    git(tmp_path, "init", "-q", "top")
    root = tmp_path / "top/a/b/p"
    made(root, trips(tmp_path)[0])
    path = next(p for p in read_record(root).files if p.startswith("../../../.github"))  # type: ignore[union-attr]  # it has one
    older(root, path, lambda text: text.replace("on:", "on:  # before"))
    (root / path).write_text((root / path).read_text().replace("# before", "# mine"))
    before = sorted(tmp_path.rglob("*.yml"))
    assert states(mlops(root, "init", "--update", "--json", code=2)) == {path: "conflict"}
    aside = root / ".mlops/update" / path.replace("../", "")
    assert sorted(tmp_path.rglob("*.yml")) == sorted([*before, aside])


def test_a_file_that_was_removed_stays_away_and_a_new_one_comes(root: Path, mlops: Mlops) -> None:
    older(root, "tests/test_project.py", lambda text: text + "# more\n")
    (root / "tests/test_project.py").unlink()
    record = read_record(root)
    assert record
    write_record(root, Record("0.2.9", {p: t for p, t in record.files.items() if "attr" not in p}))
    (root / ".gitattributes").unlink()
    done = mlops(root, "init", "--update", "--json", code=0)
    assert states(done) == {"tests/test_project.py": "removed", ".gitattributes": "new"}
    assert not (root / "tests/test_project.py").exists()


def test_lines_that_end_as_on_windows_still_do(root: Path, mlops: Mlops) -> None:
    older(root, "README.md", lambda text: text.replace(RUN, "mlops go   #"))
    text = (root / "README.md").read_text().replace("\n", "\r\n") + "Ask Ada.\r\n"
    (root / "README.md").write_bytes(text.encode())
    mlops(root, "init", "--update", code=0)
    merged = (root / "README.md").read_bytes()
    assert merged.count(b"\r\n") == merged.count(b"\n")
    assert RUN.encode() in merged
    assert b"Ask Ada." in merged


def test_a_project_without_a_record_has_it_from_its_first_commit(root: Path, mlops: Mlops) -> None:
    older(root, "README.md", lambda text: text.replace(RUN, "mlops go   #"))
    (root / ".mlops-init.json").unlink()
    git(root, "add", "-A")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--amend", "-m",
        "p: a new project")  # fmt: skip
    with (root / "README.md").open("a") as file:
        file.write("\nAsk Ada.\n")
    assert states(mlops(root, "init", "--update", "--json", code=0)) == {"README.md": "updated"}
    assert (root / "README.md").read_text().endswith("Ask Ada.\n")
    assert read_record(root) is not None


def test_nothing_is_taken_for_granted_where_nobody_knows_what_was_given(
    root: Path, mlops: Mlops
) -> None:
    mine = (root / "README.md").read_text().replace(RUN, "make all  #")
    (root / "README.md").write_text(mine)
    (root / ".mlops-init.json").unlink()
    git(root, "add", "-A")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--amend", "-m", "All")
    assert states(mlops(root, "init", "--update", "--json", code=2)) == {"README.md": "conflict"}
    assert (root / "README.md").read_text() == mine


def test_a_target_that_was_changed_is_in_the_readme_after_it(root: Path, mlops: Mlops) -> None:
    config = root / "mlops.yaml"
    config.write_text(config.read_text().replace("arr > 15", "arr > 30"))
    mlops(root, "init", "--update", code=0)
    assert "`late` = `arr > 30`" in (root / "README.md").read_text()
    assert load_project(root).config.data.target == "late = arr > 30"


@pytest.mark.parametrize("text", ["[]", "{", '{"mlops": "1", "files": [1]}'])
def test_a_broken_record_is_named(root: Path, mlops: Mlops, text: str) -> None:
    (root / ".mlops-init.json").write_text(text)
    before = (root / "README.md").read_text()
    assert ".mlops-init.json is not what" in mlops(root, "init", "--update", code=2).err
    assert (root / "README.md").read_text() == before


def test_no_project_and_half_an_order_are_said(tmp_path: Path, mlops: Mlops) -> None:
    assert "no mlops.yaml in" in mlops(tmp_path, "init", "--update", code=2).err
    done = mlops(tmp_path, "init", "p", "--json", code=2)
    assert "--data" in json.loads(done.out)["error"]["message"]
