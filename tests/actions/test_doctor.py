"""`mlops doctor`: what it says of packages that stand in each other's way."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_cli.actions import doctor


def install(folder: Path, name: str, version: str) -> None:
    """The metadata that pip leaves of an installed package."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_either_package_of_xgboost_will_do_and_both_are_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = doctor._packages()
    assert found.healthy, found.found
    present = next(n for n in doctor._XGBOOST if doctor._installed(n))
    other = next(n for n in doctor._XGBOOST if n != present)
    install(tmp_path, other, "3.2.0")
    monkeypatch.syspath_prepend(tmp_path)
    twice = doctor._packages()
    assert not twice.healthy
    assert "both installed" in twice.found
    assert "pip uninstall" in (twice.hint or "")


@pytest.mark.parametrize("name", ["xgboost", "xgboost-cpu"])
def test_a_version_that_is_not_ours_is_named(name: str) -> None:
    asked = doctor.Requirement(f"{name}>=99")
    assert "xgboost" in (doctor._unmet(asked) or "")
