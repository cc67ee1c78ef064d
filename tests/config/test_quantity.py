"""Amounts of Kubernetes: what the cluster would store otherwise is refused, the rest canonical."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mlops_cli.config.sections.kubernetes import Amounts, ResourcesConfig


def amounts(**values: Any) -> Amounts:
    return Amounts.model_validate({"cpu": "1", "memory": "1Gi", **values})


@pytest.mark.parametrize(
    ("given", "held"),
    [(0.5, "500m"), ("0.5", "500m"), ("500m", "500m"), (1, "1"), ("1000m", "1"), ("1.0", "1"),
     (0.1, "100m"), ("2500m", "2500m"), (1000, "1k"), ("0.001", "1m")],
)  # fmt: skip
def test_cpu_is_as_a_cluster_holds_it(given: Any, held: str) -> None:
    assert amounts(cpu=given).cpu == held


@pytest.mark.parametrize(
    ("given", "held"),
    [("512Mi", "512Mi"), ("0.5Gi", "512Mi"), ("1.5Gi", "1536Mi"), ("1024Mi", "1Gi"), ("1G", "1G"),
     ("1000M", "1G"), ("0.5G", "500M"), (536870912, "536870912"), ("1048576Ki", "1Gi"),
     ("1500M", "1500M"), ("2Ti", "2Ti"), ("512.0Mi", "512Mi")],
)  # fmt: skip
def test_memory_is_as_a_cluster_holds_it(given: Any, held: str) -> None:
    assert amounts(memory=given).memory == held


@pytest.mark.parametrize(
    ("given", "says"),
    [(0.5, "0.5 bytes"), ("500m", "0.5 bytes"), ("0.5", "0.5 bytes"), ("1000m", "1 bytes"),
     ("512", "write 512Mi"), (0, "0 bytes: write 512Mi"), ("1.5", "1.5 bytes"),
     ("0.0001Gi", "whole bytes"), ("512MB", "a quantity|pattern"),
     ("1e9", "pattern"), ("-1Gi", "pattern"), ("512Mi\n", "pattern")],
)  # fmt: skip
def test_memory_that_is_no_memory_is_refused_with_the_reason(given: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        amounts(memory=given)


@pytest.mark.parametrize("given", [0, "0m", "0.0001", "0.5m", "1Mi", "2k"])
def test_cpu_that_is_no_cpu_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError, match=r"thousandths"):
        amounts(cpu=given)


def test_a_request_above_its_limit_is_refused() -> None:
    requests = {"cpu": "1500m", "memory": "1Gi"}
    with pytest.raises(
        ValidationError, match=r"requests\.cpu \(1500m\) is above limits\.cpu \(1\)"
    ):
        ResourcesConfig.model_validate({"requests": requests, "limits": {"cpu": 1, "memory": "2G"}})
