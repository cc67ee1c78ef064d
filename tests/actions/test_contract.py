"""`mlops contract`: versions that never change, and what may follow them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import projects
from command_line import Mlops
from mlops_cli.audit.log import read_log
from mlops_cli.config.load import load_project
from mlops_cli.contracts.model import load_contract


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return projects.copy(projects.finished("parcels"), tmp_path / "p")


def _edit(root: Path, old: str, new: str) -> None:
    file = _file(root)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def _file(root: Path) -> Path:
    return root / load_project(root).config.contract


def _column(root: Path, name: str) -> str:
    """The line of a column."""
    return next(line for line in _file(root).read_text().splitlines(True) if f"  {name}:" in line)


def test_versions_are_published_recorded_and_never_change(root: Path, mlops: Mlops) -> None:
    name = _file(root).stem
    (listed,) = [
        c for c in mlops(root, "contract", "list", "--json", code=0).result["contracts"]
        if c["name"] == name
    ]  # fmt: skip
    assert listed["version"] is None
    first = mlops(root, "contract", "publish", "--reason", "as agreed", "--json", code=0).result
    assert (first["version"], first["published"]) == (1, True)
    published = root / f"contracts/published/{name}/1.yaml"
    assert load_contract(published).reason == "as agreed"
    assert load_contract(_file(root)).version == 1
    (entry,) = [e for e in read_log(root).entries.values() if e.action == "contract"]
    assert entry.subject == {"contract": name, "version": "1"}
    assert entry.evidence == {"contract": hashlib.sha256(published.read_bytes()).hexdigest()}
    assert entry.reason == "as agreed"
    again = mlops(root, "contract", "publish", "--json", code=0).result
    assert (again["version"], again["published"]) == (1, False)
    assert [p.name for p in published.parent.iterdir()] == ["1.yaml"]
    published.write_text(published.read_text() + "owner: somebody\n")
    said = mlops(root, "contract", "check", code=4).err
    assert f"contracts/published/{name}/1.yaml is not what was published" in said
    published.unlink()
    assert "is not there" in mlops(root, "contract", "publish", code=4).err
    assert not published.exists()


def test_a_version_that_breaks_backward_is_refused_by_name(root: Path, mlops: Mlops) -> None:
    name = _file(root).stem
    names = list(load_contract(_file(root)).columns)
    required = next(n for n in names if not load_contract(_file(root)).columns[n].nullable)
    mlops(root, "contract", "publish", code=0)
    line = _column(root, required)
    _edit(root, line, "")
    gone = mlops(root, "contract", "publish", "--json", code=0).result
    assert (gone["version"], [c["column"] for c in gone["changes"]]) == (2, [required])
    _edit(root, "\ncolumns:\n", f"\ncolumns:\n{line}")
    for what in ("check", "publish"):
        said = mlops(root, "contract", what, code=4).err
        assert required in said
        assert "BACKWARD" in said
    assert sorted(p.name for p in (root / f"contracts/published/{name}").iterdir()) == [
        "1.yaml",
        "2.yaml",
    ]
    assert load_contract(_file(root)).version == 2
    with _file(root).open("a") as file:
        file.write("compatibility: NONE\n")
    assert mlops(root, "contract", "publish", "--json", code=0).result["version"] == 3
    found = mlops(root, "contract", "diff", "--from", "1", "--to", "3", "--json", code=0).result
    assert [(c["column"], c["key"], c["after"]) for c in found["changes"]] == [
        (None, "compatibility", "NONE")
    ]


def test_what_was_killed_between_file_and_log_is_finished(root: Path, mlops: Mlops) -> None:
    mlops(root, "contract", "publish", code=0)
    log = root / "governance/audit.jsonl"
    kept = [line for line in log.read_text().splitlines(True) if '"action":"contract"' not in line]
    (root / "mlflow.db").unlink()  # its copy, too
    log.write_text("".join(kept))
    _edit(root, "version: 1\n", "")
    done = mlops(root, "contract", "publish", "--json", code=0).result
    assert (done["version"], done["published"]) == (1, False)
    assert load_contract(_file(root)).version == 1
    assert [e.action for e in read_log(root).entries.values()].count("contract") == 1


def test_what_is_not_there_is_named_with_the_nearest(root: Path, mlops: Mlops) -> None:
    name = _file(root).stem
    assert f"did you mean '{name}'" in mlops(root, "contract", "check", f"{name}x", code=2).err
    assert "no published version" in mlops(root, "contract", "diff", code=2).err
    mlops(root, "contract", "publish", code=0)
    assert "has no version 9" in mlops(root, "contract", "diff", "--from", "9", code=2).err
    assert "is there already" in mlops(root, "contract", "infer", code=2).err
    assert "no such file" in mlops(root, "contract", "infer", "data/raw/none.csv", code=2).err
    assert "--as" in mlops(root, "contract", "export", code=2).err


def test_a_contract_is_inferred_where_a_table_has_none(root: Path, mlops: Mlops) -> None:
    (root / "data/raw/more.csv").write_text("a,b\n1,x\n2,y\n")
    made = mlops(root, "contract", "infer", "data/raw/more.csv", "--json", code=0).result
    assert made["file"] == "contracts/more.yaml"
    assert load_contract(root / "contracts/more.yaml").types == {"a": "integer", "b": "text"}
