"""Residency: where a model may run."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.errors import GateError
from mlops_cli.governance.residency import refuse_elsewhere, refuse_other_nodes


def project(residency: object, **regions: str) -> Project:
    config = {
        "project": "p",
        "task": "binary",
        "data": {"table": "data/raw/x.parquet", "target": "late"},
        "governance": {"residency": residency},
        "deploy": {"regions": regions},
    }
    return Project(Path("/nowhere"), check_config(config, file="mlops.yaml"))


@pytest.mark.parametrize(
    ("residency", "region", "allowed"),
    [
        ("eu", "eu", True),
        ("eu", "eu-west-1", True),
        ("EU", "eu-west-1", True),
        ("eu-west-1", "eu", False),
        ("eu", "europe-west1", False),
        (["eu", "europe"], "europe-west1", True),
        (["eu", "westeurope"], "westeurope", True),
        ("eu", "us-east-1", False),
        ("us", "us2", False),
        ("europe-west1", "europe-west10", False),
        ("europe-west1", "Europe-West1", True),
        ("eastus", "eastus2", False),
        ("europe", "europe-west1", True),
        (None, "us-east-1", True),
    ],
)
def test_a_region_lies_in_its_area(residency: object, region: str, allowed: bool) -> None:
    made = project(residency, local=region)
    if allowed:
        refuse_elsewhere(made, "local")
    else:
        with pytest.raises(GateError, match=region):
            refuse_elsewhere(made, "local")


def test_a_target_of_no_region_is_refused() -> None:
    with pytest.raises(GateError, match="does not tell where docker is"):
        refuse_elsewhere(project("eu", local="eu"), "docker")


def test_nodes_are_held_to_what_is_told_of_them() -> None:
    made = project("eu", kubernetes="eu-west-1")
    refuse_other_nodes(made, "kubernetes", [])
    refuse_other_nodes(made, "kubernetes", ["eu-west-1"])
    with pytest.raises(GateError, match="eu-central-1, us-east-1"):
        refuse_other_nodes(made, "kubernetes", ["us-east-1", "eu-west-1", "eu-central-1"])
    refuse_other_nodes(project(None), "kubernetes", ["us-east-1"])
