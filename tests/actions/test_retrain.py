"""A retraining ends as a candidate on a branch of its own; the project stays as it is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import projects
from command_line import Mlops
from mlops_cli.config.load import load_project
from mlops_cli.monitoring.windows.records import DriftFound, Window
from mlops_cli.monitoring.windows.window_log import append_windows
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CANDIDATE, CHAMPION

WHO = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@x.example",
       "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@x.example"}  # fmt: skip
START = datetime(2026, 3, 2, tzinfo=UTC)


def git(project: Path, *command: str) -> str:
    env = {**os.environ, **WHO}
    done = subprocess.run(
        ["git", *command], cwd=project, check=True, env=env, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = projects.copy(projects.finished("p"), tmp_path / "p")
    with (made / "mlops.yaml").open("a") as out:
        out.write("\nretrain: {when: [{drift: 3}], cooldown: 7d}\n")
    git(made, "add", "-A")
    git(made, "commit", "-qm", "work")
    return made


def drifted(project: Path, *days: int) -> None:
    windows = [
        Window(
            start=START + timedelta(days=day),
            end=START + timedelta(days=day + 1),
            target="local",
            version="0" * 12,
            rows=90,
            sampled=90,
            drift=DriftFound(drifted=True, rows=90),
        )
        for day in days
    ]
    append_windows(project, windows)


Retrain = Callable[..., dict[str, Any]]


@pytest.fixture
def retrain(mlops: Mlops) -> Retrain:
    def run(project: Path, *how: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = mlops(project, "retrain", "--json", *how, code=code).result
        return found

    return run


def test_a_candidate_on_a_branch_that_a_person_merges(
    project: Path, mlops: Mlops, retrain: Retrain
) -> None:
    drifted(project, 0, 1, 2)
    table = project / "data/raw/table.csv"
    before, tracker = git(project, "rev-parse", "HEAD"), open_tracker(load_project(project))
    champion = tracker.alias(CHAMPION)
    _grow(table)
    found = retrain(project)
    assert found["due"]
    assert found["reasons"] == ["drift: 3"]
    assert found["branch"] == "retrain/2026-03-05T0000"
    assert found["registered"]["state"] == "candidate"
    tracker = open_tracker(load_project(project))
    candidate = tracker.alias(CANDIDATE)
    assert candidate is not None
    assert candidate.digest == found["registered"]["digest"]
    assert champion is not None
    assert tracker.alias(CHAMPION) == champion
    assert candidate.digest != champion.digest
    assert git(project, "rev-parse", "HEAD") == before
    changed = git(project, "diff", "--name-only", "HEAD", found["branch"]).split()
    assert "dvc.lock" in changed
    assert f"{table.relative_to(project)}.dvc" in changed
    again = retrain(project)
    assert not again["due"]
    entries = mlops(project, "audit", "--json").result["entries"]
    made = [e for e in entries if e["action"] == "retrain"]
    assert [(e["outcome"], e["subject"]["at"][:10]) for e in made] == [("done", "2026-03-05")]
    git(project, "add", "-A")
    git(project, "commit", "-qm", "log")
    git(project, "checkout", "-q", "--", ".")
    git(project, "merge", "-q", "-X", "theirs", found["branch"], "-m", "merged")
    subprocess.run(["dvc", "checkout", "-q", "--force"], cwd=project, check=True)
    mlops(project, "run", "--json")
    now = open_tracker(load_project(project)).alias(CHAMPION)
    assert now is not None
    assert now.digest == candidate.digest


def test_nothing_is_due_and_nothing_is_done(project: Path, retrain: Retrain) -> None:
    drifted(project, 0, 1)
    assert not retrain(project)["due"]
    drifted(project, 2)
    asked = retrain(project, "--dry-run")
    assert asked["due"]
    assert asked["branch"] is None
    assert retrain(project, "--backtest")["fired"] == ["2026-03-05T00:00:00Z"]
    assert not retrain(project, "--at", "2026-03-04")["due"]
    assert "retrain/" not in git(project, "branch")


def test_what_lacks_is_told(project: Path, retrain: Retrain) -> None:
    assert "no window" in retrain(project, code=2)["message"]
    drifted(project, 0, 1, 2)
    git(project, "branch", "retrain/2026-03-05T0000")
    assert "is there already" in retrain(project, code=2)["message"]


def _grow(table: Path) -> None:
    """More rows in the project's own folder, that no commit knows of."""
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, *lines[1 : len(lines) // 4]]) + "\n")
