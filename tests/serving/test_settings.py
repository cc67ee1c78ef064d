"""A server's settings, from its environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import bundles
from mlops_cli.errors import UsageError
from mlops_cli.serving.settings import (
    Limits,
    Seconds,
    Settings,
    Size,
    from_environment,
    to_environment,
)
from running import command


def test_without_variables_it_runs_by_the_documented_values() -> None:
    limits = from_environment({"PATH": "/bin", "MLOPS_DIGEST": "x"}).limits
    assert (limits.in_flight, limits.timeout, limits.header, limits.connections) == (
        (256, 30.0, 65536, 1000)
    )


def test_values_are_read_with_their_units() -> None:
    settings = from_environment(
        {
            "MLOPS_SERVE_LIMITS__IN_FLIGHT": "64",
            "MLOPS_SERVE_LIMITS__TIMEOUT": "2m",
            "MLOPS_SERVE_LIMITS__HEADER": "16KiB",
        }
    )
    assert settings == Settings(Limits(in_flight=64, timeout=Seconds(120), header=Size(16384)))


def test_what_is_given_to_a_server_is_what_it_reads() -> None:
    settings = Settings(Limits(in_flight=7, timeout=Seconds(90), header=Size(1000), connections=9))
    assert from_environment(to_environment(settings)) == settings
    assert to_environment(Settings()) == {}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("LIMITS__IN_FLIGHT", "many", "Expected `int`"),
        ("LIMITS__IN_FLIGHT", "0", ">= 1"),
        ("LIMITS__TIMEOUT", "30", "'30' is not a value such as 30s"),
        ("LIMITS__TIMEOUT", "0s", "'0s' is not a value"),
        ("LIMITS__HEADER", "64", "'64' is not a value such as 64KiB"),
        ("LIMITS__HEADER", "9" * 5000 + "B", "is not a value such as 64KiB"),
        ("LIMITS__INFLIGHT", "1", "unknown field `inflight`"),
        ("LIMITS", "1", "Expected `object`"),
        ("COLOUR", "red", "unknown field `colour`"),
    ],
)
def test_a_variable_that_is_no_setting_is_named(name: str, value: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        from_environment({f"MLOPS_SERVE_{name}": value})
    assert refused.value.message.startswith(f"MLOPS_SERVE_{name}: ")
    assert says in refused.value.message


def test_a_server_with_a_wrong_setting_does_not_start(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLOPS_SERVE_LIMITS__TIMEOUT", "soon")
    ended = subprocess.run(
        command(binary.path), capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert ended.returncode == 2
    assert "error: MLOPS_SERVE_LIMITS__TIMEOUT: 'soon' is not a value such as 30s" in ended.stderr
    assert "Traceback" not in ended.stderr
