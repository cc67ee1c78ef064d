"""Schedules, each held to the tool of its own clock."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from cronsim import CronSim
from ruamel.yaml import YAML

from mlops_cli.config.sections.deploy import DeployConfig
from mlops_cli.errors import UsageError
from mlops_cli.exports.schedule import Asked, Clock, often, schedule_files
from observations import project

ALL = ("monitor", "retrain", "rollout")
SINKS = [{"webhook": "${HOOK_URL}"}, {"pagerduty": "${PAGERDUTY_KEY}"}]


def files(
    root: Path, clock: Clock, commands: tuple[str, ...] = ALL, **monitor: Any
) -> dict[str, str]:
    where = project(root, sinks=SINKS, **monitor)
    return schedule_files(where, Asked(clock, commands, "1.2.3", "example.org/rain-ops:1"))


def tool(name: str) -> str:
    """One of this environment, or of the machine."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else name


@pytest.mark.parametrize(
    ("window", "step"),
    [
        ("1m", 60),
        ("5m", 300),
        ("7m", 360),
        ("1h", 3600),
        ("6h", 21600),
        ("1d", 86400),
        ("7d", 86400),
    ],
)
def test_cron_runs_as_often_as_a_window_ends_and_daily_at_the_least(window: str, step: int) -> None:
    from mlops_cli.config.sections.base import duration

    line, _ = often(duration(window))
    times = list(islice(CronSim(line, datetime(2026, 3, 1, tzinfo=UTC)), 5))
    steps = {(b - a).total_seconds() for a, b in pairwise(times)}
    assert steps == {step}


def test_a_line_of_cron_names_the_project_whatever_it_is_called(tmp_path: Path) -> None:
    root = tmp_path / "50% of it's rain"
    lines = files(root, "cron")["crontab"].splitlines()
    jobs = [line for line in lines if line[:1].isdigit() or line.startswith("*")]
    assert len(jobs) == 3
    for line in jobs:
        when, command = line.split(" ", 5)[:5], line.split(" ", 5)[5]
        next(CronSim(" ".join(when), datetime(2026, 3, 1, tzinfo=UTC)))
        words = command.replace(r"\%", "%")  # as cron hands it to the shell
        shown = subprocess.run(
            ["sh", "-c", f"echo() {{ printf '%s\\n' \"$@\"; }}; echo {words.partition(' >> ')[0]}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert shown.stdout.splitlines()[-1] == str(root)
    assert any("HOOK_URL, PAGERDUTY_KEY" in line for line in lines)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on PATH")
@pytest.mark.parametrize("window", ["5m", "6h", "1d"])
def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path, window: str) -> None:
    units = files(tmp_path, "systemd", window=window)
    assert len(units) == 6
    for name, text in units.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in units)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    _, calendar = often(timedelta(minutes=5))
    subprocess.run(["systemd-analyze", "calendar", calendar], check=True, capture_output=True)


def test_github_takes_the_workflow(tmp_path: Path) -> None:
    file = tmp_path / "mlops-schedule.yml"
    file.write_text(files(tmp_path, "github")["mlops-schedule.yml"], encoding="utf-8")
    for command in (
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)),
        ("zizmor", "--offline", "--no-progress", str(file)),
    ):
        done = subprocess.run(
            [tool(command[0]), *command[1:]], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    workflow = YAML(typ="safe").load(file)
    assert [entry["cron"] for entry in workflow["on"]["schedule"]][-1] == "*/5 * * * *"
    step = workflow["jobs"]["monitor"]["steps"][-1]
    assert step["env"]["HOOK_URL"] == "${{ secrets.HOOK_URL }}"
    assert step["run"] == "mlops monitor || [ $? -eq 5 ]"  # drift is told by the alerts
    retrain = workflow["jobs"]["retrain"]
    assert retrain["permissions"] == {"contents": "write"}  # its branch would go with the runner
    assert "'refs/heads/retrain/*:refs/heads/retrain/*'" in retrain["steps"][-1]["run"]
    assert "GITHUB_TOKEN" not in step["env"]


@pytest.mark.kubernetes
@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not on PATH")
def test_a_cluster_takes_the_cronjobs(tmp_path: Path) -> None:
    file = tmp_path / "cronjobs.yaml"
    file.write_text(files(tmp_path, "cronjob")["cronjobs.yaml"], encoding="utf-8")
    asked = ["kubectl", "apply", "--dry-run=server", "-f", str(file)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if "connection refused" in done.stderr or "no configuration" in done.stderr:
        pytest.skip("no cluster answers")
    assert done.returncode == 0, done.stderr


def test_a_cronjob_runs_the_command_alone_and_as_nobody(tmp_path: Path) -> None:
    text = files(tmp_path, "cronjob")["cronjobs.yaml"]
    volume, *jobs = YAML(typ="safe").load_all(text)
    assert volume["kind"] == "PersistentVolumeClaim"
    assert [job["metadata"]["name"] for job in jobs] == [
        "rain-monitor", "rain-retrain", "rain-rollout-tick",
    ]  # fmt: skip
    for job in jobs:
        assert job["spec"]["concurrencyPolicy"] == "Forbid"
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["containers"][0]["command"][:2] == ["sh", "-c"]
        next(CronSim(job["spec"]["schedule"], datetime(2026, 3, 1, tzinfo=UTC)))


def test_who_works_on_a_cluster_has_an_account_of_its_own(tmp_path: Path) -> None:
    where = project(tmp_path)
    kubernetes = {"namespace": "models", "image": "rain:1"}
    deploy = DeployConfig.model_validate({"target": "kubernetes", "kubernetes": kubernetes})
    where = replace(where, config=where.config.model_copy(update={"deploy": deploy}))
    asked = Asked("cronjob", ALL, "1.2.3", "example.org/rain-ops:1")
    text = schedule_files(where, asked)["cronjobs.yaml"]
    things = list(YAML(typ="safe").load_all(text))
    watching, role = (t for t in things if t["kind"] == "Role")
    assert watching["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create", "get"]},
    ]
    assert not any("pods/exec" in r["resources"] for r in role["rules"])
    assert {v for r in role["rules"] for v in r["verbs"]} == {
        "get", "list", "watch", "update", "patch", "create",
    }  # fmt: skip
    changed = [r for r in role["rules"] if {"update", "patch", "delete"} & set(r["verbs"])]
    assert all(r["resourceNames"] for r in changed)
    accounts = {
        t["metadata"]["name"]: t["spec"]["jobTemplate"]["spec"]["template"]["spec"].get(
            "serviceAccountName"
        )
        for t in things
        if t["kind"] == "CronJob"
    }
    assert accounts == {
        "rain-monitor": "rain-monitor", "rain-retrain": None,
        "rain-rollout-tick": "rain-rollout-tick",
    }  # fmt: skip


def test_a_cronjob_needs_an_image(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs an image"):
        schedule_files(project(tmp_path), Asked("cronjob", ALL, "1.2.3"))


@pytest.mark.parametrize("clock", get_args(Clock))
def test_what_there_is_not_is_not_scheduled(tmp_path: Path, clock: Clock) -> None:
    text = "\n".join(files(tmp_path, clock, ("monitor",)).values())
    assert "retrain" not in text
    assert "rollout" not in text
