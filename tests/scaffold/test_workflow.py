"""The generated workflow: what it may do, what it is pinned to, and that its lines run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from github import EXPRESSION, Runner, install_gh, program
from mlops_cli.actions.init import init
from servers import free_port

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ".github/workflows/mlops.yml"
MAIN = "github.ref == 'refs/heads/main'"
MLOPS = (sys.executable, "-m", "mlops_cli")
BOT = "github-actions[bot]"


def new_project(folder: Path) -> Path:
    rows = 400
    table = {
        "size": [float(i % 17) for i in range(rows)],
        "kind": [["red", "green"][i % 2] for i in range(rows)],
        "late": [(i % 17 + i * 7 % 13) > 12 for i in range(rows)],
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    data = folder.parent / "orders.parquet"
    pq.write_table(pa.table(table), data)
    init(folder, data=data, target="late")
    return folder


def git(folder: Path, *command: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    return subprocess.run(
        ["git", *who, *command], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_project(tmp_path_factory.mktemp("made") / "orders")


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in a folder, whose name YAML and GitHub would misread, of another repository."""
    outer = tmp_path_factory.mktemp("outer")
    git(outer, "init", "--quiet")
    return new_project(outer / "on: ${{ github.token }}" / "orders")


def workflow(project: Path) -> Path:
    """At the top of the repository, wherever the project stands in it."""
    top = next(p for p in (project, *project.parents) if (p / ".git").exists())
    (found,) = (top / ".github/workflows").iterdir()
    return found


def read(project: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(workflow(project).read_text())
    return loaded


@pytest.fixture(scope="module")
def jobs(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = read(project)["jobs"]
    return found


def checked(*command: str) -> None:
    tool = Path(sys.executable).parent / command[0]
    done = subprocess.run([tool, *command[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("where", ["project", "inside"])
def test_zizmor_and_the_schema_have_nothing_to_say(
    where: str, request: pytest.FixtureRequest
) -> None:
    file = str(workflow(request.getfixturevalue(where)))
    checked("zizmor", "--offline", "--persona", "pedantic", "--no-config", "--quiet", file)
    checked("check-jsonschema", "--builtin-schema", "vendor.github-workflows", file)


def test_the_workflows_of_this_repository_have_nothing_to_say_either() -> None:
    files = [str(f) for f in ROOT.glob(".github/workflows/*.y*ml")]
    if not files:
        pytest.skip("this repository has no workflows")
    checked("zizmor", "--offline", "--persona", "pedantic", *files)
    checked("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)


def test_nothing_may_write_but_the_comment_and_the_comment_runs_nothing(project: Path) -> None:
    workflow = read(project)
    assert workflow["permissions"] == {}
    rights = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    assert rights == {
        "pipeline": {"contents": "read"},
        "comment": {"pull-requests": "write"},
        "deploy": {"actions": "read", "contents": "read"},
    }
    assert "pull_request_target" not in workflow["on"]
    (only,) = workflow["jobs"]["comment"]["steps"]
    assert "uses" not in only
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_a_pull_request_never_registers_or_deploys(jobs: dict[str, Any]) -> None:
    steps = {s["name"]: s for s in jobs["pipeline"]["steps"] if "run" in s}
    for name, step in steps.items():
        changes_the_registry = re.search(r"mlops register|mlops run$", step["run"], re.M)
        assert bool(changes_the_registry) == (MAIN in step.get("if", "")), name
    assert jobs["deploy"]["if"].startswith(f"{MAIN} && ")
    assert jobs["deploy"]["environment"] == "production"
    for name in ("deploy", "comment"):  # half a deploy is worse than an old one
        assert jobs[name]["concurrency"]["cancel-in-progress"] is False


def test_a_fork_gets_no_comment_and_a_comment_that_fails_fails_nothing(
    jobs: dict[str, Any],
) -> None:
    same = "github.event.pull_request.head.repo.full_name == github.repository"
    assert same in jobs["comment"]["if"]
    assert jobs["comment"]["steps"][0]["continue-on-error"] is True


def test_every_action_is_pinned_to_a_commit(project: Path) -> None:
    uses = re.findall(r"uses: (.*)", (project / WORKFLOW).read_text())
    assert len(uses) == 4
    for line in uses:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_inside_another_repository_the_steps_stand_in_the_project(inside: Path) -> None:
    jobs = read(inside)["jobs"]
    there = {n: j.get("defaults", {}).get("run", {}) for n, j in jobs.items()}
    # GitHub writes what an expression gives and does not look at it again.
    where = {"working-directory": "on: ${{ '${{' }} github.token }}/orders"}
    assert there == {"pipeline": where, "comment": {}, "deploy": where}
    assert workflow(inside).name == "mlops-on-github.token-orders.yml"
    paths = read(inside)["on"]["pull_request"]["paths"]
    assert paths[0] == "on: [$]{{ github.token }}/orders/**", "no expression stands in a filter"


COMMENT = {
    "github.token": "t",
    "github.event.pull_request.head.sha": "c0ffee",
    "github.event.pull_request.number": "7",
}


def comments(tools: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((tools / "comments.json").read_text())
    return found


def asked(tools: Path) -> list[str]:
    return [json.loads(line)[0] for line in (tools / "asked.jsonl").read_text().splitlines()]


def test_there_is_one_comment_however_often_it_runs(jobs: dict[str, Any], tmp_path: Path) -> None:
    if shutil.which("jq") is None:
        pytest.skip("the recording gh needs jq")
    marker = jobs["comment"]["steps"][0]["env"]["MARKER"]
    others = [
        {"id": 1, "user": {"login": "mallory"}, "body": f"{marker}\nedit me"},
        {"id": 2, "user": {"login": BOT}, "body": "of another workflow"},
        {"id": 3, "user": {"login": BOT}, "body": marker.replace("orders", "orders2")},
    ]
    tools = tmp_path / "tools"
    install_gh(tools, others)
    runner = Runner(tmp_path, tmp_path / "temporary", tools=tools)
    report = "## first `a` \\n %s $HOME"
    for text in (report, "## second"):
        values = {**COMMENT, "needs.pipeline.outputs.report": text}
        done = runner.step(jobs["comment"], "Comment", values)
        assert done.returncode == 0, runner.log
        *before, ours = comments(tools)
        assert before == others
        assert ours["body"].startswith(f"{marker}\n{text}\n")
        assert "https://github.com/team/models/actions/runs/42" in ours["body"]
        assert "c0ffee" in ours["body"]
    assert asked(tools) == ["GET", "POST", "GET", "PATCH"]
    runner.step(jobs["comment"], "Comment", {**values, "needs.pipeline.outputs.report": ""})
    assert "ended before there was a report" in comments(tools)[-1]["body"]


def test_only_known_values_reach_the_environment(project: Path) -> None:
    used = {m[1].split(" ")[0] for m in EXPRESSION.finditer((project / WORKFLOW).read_text())}
    assert {u for u in used if u.startswith("github.event.")} == {
        "github.event.pull_request.head.sha",
        "github.event.pull_request.number",
    }


def steps(job: dict[str, Any], *, main: bool = True) -> list[str]:
    """The names of what a job runs, in order: all that main runs, or a pull request."""
    runs = [s for s in job["steps"] if "run" in s and s["name"] != "Install"]
    return [s["name"] for s in runs if main or MAIN not in s.get("if", "")]


def values_of(registry: str, *, base: str = "", first: str = "") -> dict[str, str]:
    return {
        "vars.MLFLOW_TRACKING_URI": registry,
        "secrets.MLFLOW_TRACKING_USERNAME": "",
        "secrets.MLFLOW_TRACKING_PASSWORD": "",
        "github.base_ref": base,
        "inputs.first && '--first' || ''": first,
    }


def test_the_deploy_logs_in_only_where_it_has_with_what(
    jobs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    tools, said = tmp_path / "tools", tmp_path / "said"
    tools.mkdir()
    program(tools / "docker", f'#!/bin/sh\n{{ echo "$@"; cat; }} > {said}\n')
    runner = Runner(tmp_path, tmp_path / "temporary", tools=tools)
    nothing = dict.fromkeys(
        ["secrets.KUBECONFIG", "vars.REGISTRY", "vars.REGISTRY_USER", "secrets.REGISTRY_PASSWORD"],
        "",
    )
    values = {**values_of(""), **nothing}
    assert runner.step(jobs["deploy"], "Log in", values).returncode == 0, runner.log
    assert not said.exists()
    assert not (tmp_path / ".kube").exists()
    given = {
        "secrets.KUBECONFIG": "apiVersion: v1\n$x `y`",
        "vars.REGISTRY": "registry.example.com",
        "vars.REGISTRY_USER": "robot",
        "secrets.REGISTRY_PASSWORD": "pa$$ `word`",
    }
    assert runner.step(jobs["deploy"], "Log in", {**values, **given}).returncode == 0, runner.log
    config = tmp_path / ".kube/config"
    assert config.read_text() == "apiVersion: v1\n$x `y`\n"
    assert config.stat().st_mode & 0o777 == 0o600
    asked = "login registry.example.com --username robot --password-stdin"
    assert said.read_text().splitlines() == [asked, "pa$$ `word`"]
    assert "pa$$" not in runner.log


@pytest.mark.slow
def test_its_lines_run(tmp_path: Path) -> None:
    """On main, with a registry; on a pull request; with a registry of its own; and deployed."""
    project = new_project(tmp_path / "orders")
    config = project / "mlops.yaml"
    fast = config.read_text().replace("tune: {}", "tune: {trials: 2, rounds: 5}")
    config.write_text(fast)
    git(project, "commit", "-qam", "a short search")
    jobs = read(project)["jobs"]
    job, registry = jobs["pipeline"], f"sqlite:///{tmp_path}/registry.db"
    main = Runner(project, tmp_path / "main")
    for name in steps(job):
        assert main.step(job, name, values_of(registry)).returncode == 0, main.log
    assert "passes its gates" in main.summary.read_text()
    built = main.needs("pipeline", job)
    assert built["needs.pipeline.outputs.target"] == "local"
    git(project, "add", "--all")
    git(project, "commit", "-qm", "a run")

    git(project, "switch", "-qc", "change")
    config.write_text(fast.replace("train: {}", "train: {params: {lambda: 30}}"))
    git(project, "commit", "-qam", "smaller leaves")
    git(project, "switch", "-q", "--detach", "main")
    git(project, "merge", "-q", "--no-ff", "-m", "as GitHub merges", "change")
    pull = Runner(project, tmp_path / "pull")
    for name in steps(job, main=False):
        done = pull.step(job, name, values_of(registry, base="main"))
        assert done.returncode in ((0, 4) if name == "Report" else (0,)), pull.log
    report = pull.needs("pipeline", job)["needs.pipeline.outputs.report"]
    assert pull.summary.read_text().strip() == report.strip()
    assert f"origin/main ({git(project, 'rev-parse', 'main')[:12]})" in report
    assert "champion: not_worse" in report
    assert "Drift of the training rows" in report
    assert "`dvc.lock`, `metrics.json`" in report

    # main again, as cloned: nothing is to be done, but the registry is another, empty one
    project, other = clone(project, tmp_path), f"sqlite:///{tmp_path}/other.db"
    main = Runner(project, tmp_path / "again")
    for name in ("Fetch the data", "Run the pipeline"):
        assert main.step(job, name, values_of(other)).returncode == 0, main.log
    assert main.log.count(" unchanged") == 4, main.log
    assert main.step(job, "Register", values_of(other)).returncode == 8, main.log
    assert "has no champion, but" in main.log
    assert main.step(job, "Register", values_of(other, first="--first")).returncode == 0, main.log
    assert main.step(job, "Register", values_of(other)).returncode == 0, main.log
    assert "register   unchanged" in main.log

    config = project / "mlops.yaml"
    config.write_text(fast.replace("deploy: {}", f"deploy: {{port: {free_port()}}}"))
    try:
        wrong = {**values_of(other), "needs.pipeline.outputs.version": "0" * 12}
        assert main.step(jobs["deploy"], "Deploy", wrong).returncode == 2, main.log
        assert main.step(jobs["deploy"], "Deploy", {**values_of(other), **built}).returncode == 0, (
            main.log
        )
        assert '"outcome":"done"' in main.summary.read_text().replace(" ", "")
    finally:
        subprocess.run([*MLOPS, "deploy", "--stop", "--project", str(project)], check=True)


def clone(project: Path, folder: Path) -> Path:
    """A shallow clone of the project's main, whose data is in a DVC remote."""
    git(project, "switch", "-qf", "main")
    for command in (("remote", "add", "-d", "store", str(folder / "store")), ("push", "-q")):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=project, check=True)
    git(project, "commit", "-qam", "a remote")
    git(folder, "clone", "-q", "--depth", "2", f"file://{project}", "clone")
    return folder / "clone"


def test_who_reviewed_the_deployment_approves_it_and_nobody_else(
    jobs: dict[str, Any], tmp_path: Path
) -> None:
    if shutil.which("jq") is None:
        pytest.skip("the recording gh needs jq")
    kinds = [("frank", "approved", "production"), ("eve", "rejected", "production"),
             ("mallory", "approved", "staging")]  # fmt: skip
    reviews = [
        {"state": state, "user": {"login": login}, "environments": [{"name": environment}]}
        for login, state, environment in kinds
    ]
    tools = tmp_path / "tools"
    install_gh(tools, reviews)
    program(tools / "mlops", f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\n')
    runner = Runner(tmp_path, tmp_path / "temporary", tools=tools)
    values = {
        **values_of(""),
        "github.token": "t",
        "vars.REVIEW_ROLE": "expert",
        "needs.pipeline.outputs.version": "0123456789ab",
        "needs.pipeline.outputs.attempt": "1",
    }
    (name,) = [s["name"] for s in jobs["deploy"]["steps"] if "reviewed" in s.get("name", "")]
    assert runner.step(jobs["deploy"], name, values).returncode == 0, runner.log
    assert (tmp_path / "asked").read_text().splitlines() == [
        "approve 0123456789ab --role expert --reviewer github:frank "
        "--reason reviewed the deployment of run 42",
        "promote 0123456789ab",
    ]
    assert asked(tools) == ["GET"]

    again = values | {"needs.pipeline.outputs.attempt": "2"}  # frank may have seen another model
    assert runner.step(jobs["deploy"], name, again).returncode == 7
    assert "start a new run" in runner.log
    assert len((tmp_path / "asked").read_text().splitlines()) == 2
