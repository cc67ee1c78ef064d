"""A stage that Ctrl-C ended before it could say so is an interruption, not a failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from dvc.repo import Repo

from mlops_cli.pipeline.dvc import StageFailed, reproduce


def _repository(root: Path, command: str) -> Path:
    Repo.init(str(root), no_scm=True).close()
    (root / "dvc.yaml").write_text(f"stages: {{work: {{cmd: '{command}'}}}}\n")
    return root


@pytest.mark.parametrize("command", ["kill -INT $$", "exit 130"])
def test_a_stage_that_was_interrupted_interrupts_the_run(tmp_path: Path, command: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        reproduce(_repository(tmp_path, command), [])


@pytest.mark.parametrize("command", ["kill -KILL $$", "exit 3"])
def test_a_stage_that_failed_otherwise_is_a_failure(tmp_path: Path, command: str) -> None:
    with pytest.raises(StageFailed):
        reproduce(_repository(tmp_path, command), [])
