"""What a cached stage cannot know: the wall clock, and a registry that was lost."""

from __future__ import annotations

import shutil
from pathlib import Path

from command_line import Mlops
from projects import registered


def test_freshness_by_the_wall_clock(project: Path, mlops: Mlops) -> None:
    contract = project / "contracts/parcels.yaml"
    contract.write_text(contract.read_text() + "freshness: {column: sent, max_age: 2d}\n")
    before = (project / "reports/validate.json").stat().st_mtime_ns
    now = mlops(project, "validate", "--now")
    assert now.code == 3, now.err
    assert "column 'sent'" in now.err
    assert "rejected" not in now.err  # it has written nothing
    contract.write_text(contract.read_text().replace("max_age: 2d", "max_age: 99999d"))
    now = mlops(project, "validate", "--now")
    assert now.code == 0, now.err
    assert "data/raw/parcels.csv: 600 rows" in now.out
    assert (project / "reports/validate.json").stat().st_mtime_ns == before


def test_a_lost_registry_is_begun_anew_when_somebody_says_so(project: Path, mlops: Mlops) -> None:
    (project / "mlflow.db").unlink()
    shutil.rmtree(project / "model")
    shutil.rmtree(project / ".mlops/bundles", ignore_errors=True)
    assert mlops(project, "deploy").code == 8
    ran = mlops(project, "run", "--first")
    assert ran.code == 0, ran.err
    assert len(registered(project)) == 1
