from __future__ import annotations

from pathlib import Path

import pytest

from mlops_cli.config.load import load_project


def test_a_projects_folder_may_be_given_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "{project: x, task: binary, data: {table: t.csv, target: y}, features: {columns: [a]}}"
    (tmp_path / "mlops.yaml").write_text(text)
    monkeypatch.delenv("MLOPS_PROJECT", raising=False)
    assert load_project(str(tmp_path)).root == tmp_path.resolve()
