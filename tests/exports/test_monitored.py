"""What `mlops monitor` found, as metrics: in a file, and in a Pushgateway."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import bundles
from command_line import Mlops
from mlops_cli._poll import wait_until
from servers import free_port
from traffic import Watched, quiet

MONITOR = '{alerts: [{when: "null_rate > 5%"}, {when: drift}]}'


def _without_temp(line: dict[str, Any]) -> dict[str, Any]:
    return line | {"inputs": line["inputs"] | {"temp": None}}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.write(tmp_path_factory.mktemp("model"), "binary").path


@pytest.fixture
def watched(tmp_path: Path, model: Path) -> Watched:
    found = Watched(tmp_path / "p", model, "binary", MONITOR)
    found.answer(0, quiet(200, 0))
    found.answer(1, quiet(200, 1), _without_temp)
    return found


def metrics(text: str) -> dict[tuple[str, str], float]:
    """Each sample by its name and by its metric or condition."""
    return {
        (sample.name, sample.labels.get("metric") or sample.labels.get("when") or ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_file_has_the_newest_window_and_what_fires(
    watched: Watched, mlops: Mlops, tmp_path: Path
) -> None:
    file = tmp_path / "node" / "rain.prom"
    mlops(watched.root, "monitor", "--textfile", str(file), code=0)
    found = metrics(file.read_text(encoding="utf-8"))
    assert found["mlops_monitor_metric", "null_rate"] > 0.5
    assert found["mlops_monitor_metric_low", "null_rate"] > 0.5
    assert found["mlops_monitor_metric", "volume"] == 200
    assert found["mlops_monitor_firing", "null_rate > 5%"] == 1
    assert ("mlops_monitor_last_run_seconds", "") in found
    if shutil.which("promtool"):
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=file.read_bytes(), capture_output=True,
            check=False,
        )  # fmt: skip
        assert (checked.returncode, checked.stderr) == (0, b"")


def test_a_gateway_that_is_away_is_a_remark(watched: Watched, mlops: Mlops) -> None:
    away = f"http://me:s3cr3t-w0rd@127.0.0.1:{free_port()}"
    done = mlops(watched.root, "monitor", "--push", away, "--json", code=0)
    (remark,) = [r for r in done.result["remarks"] if "Pushgateway" in r]
    assert "cannot be reached" in remark
    assert "s3cr3t" not in json.dumps(done.result)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--textfile", "rain.txt"), "files that end in .prom"),
        (("--push", "pushgateway"), "takes a URL"),
    ],
)
def test_what_nobody_would_read_is_refused(
    watched: Watched, mlops: Mlops, options: tuple[str, ...], said: str
) -> None:
    assert said in mlops(watched.root, "monitor", *options, code=2).err


@pytest.mark.prometheus
@pytest.mark.skipif(
    not shutil.which("prometheus-pushgateway"), reason="prometheus-pushgateway is not on PATH"
)
def test_a_gateway_takes_them_in_the_place_of_those_before(watched: Watched, mlops: Mlops) -> None:
    address = f"127.0.0.1:{free_port()}"
    gateway = subprocess.Popen(
        ["prometheus-pushgateway", f"--web.listen-address={address}"], stderr=subprocess.DEVNULL
    )
    try:
        assert wait_until(lambda: _there(address), seconds=20)
        for _ in range(2):
            done = mlops(watched.root, "monitor", "--push", f"http://{address}", "--json", code=0)
            assert not [r for r in done.result["remarks"] if "Pushgateway" in r]
        with urllib.request.urlopen(f"http://{address}/metrics") as answer:
            found = metrics(answer.read().decode())
    finally:
        gateway.terminate()
        gateway.wait()
    assert found["mlops_monitor_metric", "null_rate"] > 0.5
    assert found["mlops_monitor_firing", "null_rate > 5%"] == 1


def _there(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=2):
            return True
    except OSError:
        return False
