"""A subject leaves every place, whatever stops the command half-way; the others stay."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import projects
from command_line import Mlops
from mlops_cli.bundle.manifest import digest_of
from mlops_cli.pipeline.erasure import dvc_objects, tables
from mlops_cli.pipeline.erasure.erased import read_erased, renamed

WHO = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@x.example",
       "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@x.example"}  # fmt: skip
NEEDLE, OTHER = "person-00123-zq", "person-00124-zq"
TABLE = "data/raw/people.csv"
SUBJECT = ("--subject", f"person={NEEDLE}")


def command(project: Path, *words: object) -> None:
    env = {**os.environ, **WHO}
    subprocess.run([*map(str, words)], cwd=project, check=True, env=env, capture_output=True)


def commit(project: Path) -> None:
    command(project, "git", "add", "-A")
    command(project, "git", "commit", "-qm", "work")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With two versions of the data, both in a remote: the second has a person more."""
    return projects.copy(projects.twice(), tmp_path / "there") / "people"


def texts(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file but git's, Parquet as its rows."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and ".git" not in file.parts:
            content = file.read_bytes()
            if content[:4] == b"PAR1":
                yield file, str(pq.ParquetFile(file).read().to_pylist())
            else:
                yield file, content.decode("utf-8", "replace")


def holders(folder: Path, needle: str = NEEDLE) -> list[str]:
    return [str(file.relative_to(folder)) for file, text in texts(folder) if needle in text]


Erase = Callable[..., dict[str, Any]]


@pytest.fixture
def erase(mlops: Mlops, monkeypatch: pytest.MonkeyPatch) -> Erase:
    for name, value in WHO.items():
        monkeypatch.setenv(name, value)

    def run(project: Path, *arguments: str, code: int = 0, key: str = "") -> dict[str, Any]:
        with monkeypatch.context() as environment:
            if key:
                environment.setenv("MLOPS_ERASE_KEY", key)
            done = mlops(project, "erase", *arguments, "--json", code=code)
        found: dict[str, Any] = done.result
        return found

    return run


def test_a_subject_leaves_files_cache_and_remote_in_every_version(
    project: Path, mlops: Mlops, erase: Erase
) -> None:
    remote = project.parent / "remote"
    before = (holders(project), holders(remote))
    assert len(before[0]) >= 5
    assert len(before[1]) == 3
    assert len(holders(remote, OTHER)) == 3
    rows = (project / TABLE).read_text().splitlines(keepends=True)
    version = digest_of((project / "model/manifest.json").read_bytes())[:12]

    told = erase(project, *SUBJECT, "--dry-run")
    assert (holders(project), holders(remote)) == before
    found = erase(project, *SUBJECT, key="k")
    assert found["places"] == told["places"]
    assert {p["where"]: p["rows"] for p in found["places"]} == {
        TABLE: 1,
        "data/features.parquet": 1,
        "DVC's cache": 3,
        "DVC's remote store": 3,
    }
    assert found["models"] == told["models"] == [version]
    assert (holders(project), holders(remote)) == ([], [])
    assert len(holders(remote, OTHER)) == 3
    assert (project / TABLE).read_text() == "".join(r for r in rows if NEEDLE not in r)

    last = json.loads((project / "governance/audit.jsonl").read_text().splitlines()[-1])
    assert (last["action"], last["outcome"]) == ("erase", "done")
    assert last["subject"] == {"column": "person", "subject": found["subject"]}
    mlops(project, "audit", "--verify", code=0)
    commit(project)
    command(project, "dvc", "pull", "-q")  # what the work tree names is there
    told = erase(project, *SUBJECT, code=2)
    assert "no row has person" in told["message"]
    stale = mlops(project, "status", "--json", code=0).result["stages"]
    assert "people.csv" in str(stale)


def test_the_log_names_the_subject_to_who_has_the_key_alone(project: Path, erase: Erase) -> None:
    first = erase(project, *SUBJECT, key="k")["subject"]
    import hmac

    assert first == hmac.new(b"k", f"person={NEEDLE}".encode(), "sha256").hexdigest()
    second = erase(project, "--subject", f"person={OTHER}")["subject"]
    assert second not in (sha256(f"person={OTHER}".encode()).hexdigest(), first)
    assert len(read_erased(project)) == 6
    assert holders(project, OTHER) == []


def test_reproduce_follows_what_was_erased(project: Path, mlops: Mlops, erase: Erase) -> None:
    erase(project, *SUBJECT)
    commit(project)
    done = mlops(project, "reproduce", "--here", "--json", code=4)
    assert (done.result["verdict"], done.result["first_difference"]) == ("different", "data")
    assert done.result["why"] == f"erased: rows of a subject are no longer in {TABLE}"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", ["before the first step", "between", "before the old one goes"])
def test_what_was_killed_half_way_ends_whole(
    project: Path, monkeypatch: pytest.MonkeyPatch, mlops: Mlops, erase: Erase, at: str
) -> None:
    kill = {
        "before the first step": (tables, "md5_of", 1),
        "between": (dvc_objects, "md5_of", 2),
        "before the old one goes": (dvc_objects, "record_erased", 3),
    }[at]
    module, name, after = kill
    real, calls = getattr(module, name), [0]

    def dying(*given: Any) -> Any:
        calls[0] += 1
        if calls[0] == after:
            raise Killed
        return real(*given)

    with monkeypatch.context() as dies:
        dies.setattr(module, name, dying)
        with pytest.raises(Killed, match=r"^$"):
            mlops(project, "erase", *SUBJECT)
    assert holders(project.parent / "remote")
    (plan,) = (project / ".mlops/erase").glob("*.json")
    assert NEEDLE not in plan.name + plan.read_text()
    found = erase(project, *SUBJECT)
    assert {p["where"] for p in found["places"]} >= {"DVC's cache", "DVC's remote store"}
    assert (holders(project), holders(project.parent / "remote")) == ([], [])
    assert len(holders(project.parent / "remote", OTHER)) == 3
    rows = (project / TABLE).read_text().splitlines()
    assert (len(rows), rows[124].split(",")[0]) == (401, OTHER)
    assert pq.read_table(project / "data/features.parquet").num_rows == 399
    assert not plan.exists()


def test_rejected_rows_go_and_the_others_keep_their_row(project: Path, erase: Erase) -> None:
    file = project / "data/rejected.parquet"
    rows = [{"table": TABLE, "row": n, "column": "age", "rule": "max", "value": "400"}
            for n in (5, 123, 200)]  # fmt: skip
    schema = pq.read_schema(file)
    file.unlink()
    pq.write_table(pa.Table.from_pylist(rows, schema), file)
    found = erase(project, *SUBJECT)
    assert {"where": "data/rejected.parquet", "rows": 1} in found["places"]
    assert pq.read_table(file)["row"].to_pylist() == [5, 199]


def test_what_cannot_be_rewritten_is_told(project: Path, erase: Erase) -> None:
    (project / "notes.md").write_text(f"{NEEDLE} called\n")
    commit(project)
    command(project, "dvc", "remote", "add", "-q", "far", "s3://nowhere/at/all")
    found = erase(project, *SUBJECT)
    left = {rest["where"]: rest["why"] for rest in found["left"]}
    assert "git filter-repo" in left["git's history"]
    assert "dvc-s3" in left["DVC's remote far"]
    assert holders(project) == ["notes.md"]


def test_a_column_or_a_subject_that_nothing_has_is_told(project: Path, mlops: Mlops) -> None:
    told = mlops(project, "erase", "--subject", "persn=x", "--json", code=2).result
    assert "no table of people has a column 'persn'" in told["message"]
    told = mlops(project, "erase", "--subject", "person=nobody", "--json", code=2).result
    assert "no row has person = 'nobody', in any place" in told["message"]
    told = mlops(project, "erase", "--subject", "person", "--json", code=2).result
    assert "does not name a column and a value" in told["message"]
    assert "ask for --list" in mlops(project, "erase", code=2).err
    listed = mlops(project, "erase", "--list", "--json", code=0).result["places"]
    assert {"where": "DVC's remote store, in every version", "rows": 0} in listed


def test_only_what_is_written_is_renamed() -> None:
    lock = "  a:\n    outs:\n    - path: x\n      md5: old\n      size: 3\n    - path: y\n"
    lock += "      md5: stays\n      size: 4\n"
    assert renamed(lock, {"old": "new"}) == lock.replace("old", "new").replace(
        "      size: 3\n", ""
    )
