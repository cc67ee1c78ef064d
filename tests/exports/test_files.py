"""`mlops export`: what a person changed stays, and Fluent Bit's script maps what is logged."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from command_line import Mlops
from mlops_cli.exports.logs import logs_files
from observations import project

PROJECT = """project: rain
task: binary
data: {table: data/raw/rain.parquet, target: rain}
monitor: {alerts: [{when: "latency_p99 > 200ms", for: 5m}]}
"""


@pytest.fixture
def where(tmp_path: Path) -> Path:
    (tmp_path / "mlops.yaml").write_text(PROJECT, encoding="utf-8")
    return tmp_path


def test_an_export_is_repeated_and_follows_the_configuration(where: Path, mlops: Mlops) -> None:
    out = where / "out"
    first = mlops(where, "export", "prometheus", str(out), "--json", code=0).result
    assert first["written"] == ["rules.yml", "rules_test.yml", "prometheus.yml"]
    again = mlops(where, "export", "prometheus", str(out), "--json", code=0).result
    assert (again["written"], again["unchanged"]) == ([], first["written"])
    (where / "mlops.yaml").write_text(PROJECT.replace("200ms", "500ms"), encoding="utf-8")
    later = mlops(where, "export", "prometheus", str(out), "--json", code=0).result
    assert later["written"] == ["rules.yml", "rules_test.yml"]
    mlops(where, "export", "grafana", str(out), code=0)  # beside it, in the same folder


def test_what_a_person_changed_is_not_replaced(where: Path, mlops: Mlops) -> None:
    out = where / "out"
    mlops(where, "export", "grafana", str(out), code=0)
    mlops(where, "export", "prometheus", str(out), code=0)
    (out / "rules.yml").write_text("groups: []\n", encoding="utf-8")
    (where / "mlops.yaml").write_text(PROJECT.replace("200ms", "500ms"), encoding="utf-8")
    before = (out / "rules_test.yml").read_bytes()
    refused = mlops(where, "export", "prometheus", str(out), code=2)
    assert "rules.yml is there, and is not what an export wrote" in refused.err
    assert (out / "rules.yml").read_text(encoding="utf-8") == "groups: []\n"
    assert (out / "rules_test.yml").read_bytes() == before  # all or nothing
    mlops(where, "export", "prometheus", str(out), "--force", code=0)
    assert "0.5" in (out / "rules.yml").read_text(encoding="utf-8")


def test_a_schedule_needs_its_clock_and_a_file_is_no_folder(where: Path, mlops: Mlops) -> None:
    assert "--as cron" in mlops(where, "export", "schedule", str(where / "s"), code=2).err
    mlops(where, "export", "schedule", str(where / "s"), "--as", "cron", code=0)
    refused = mlops(where, "export", "grafana", str(where / "mlops.yaml"), code=2)
    assert "is no folder" in refused.err


@pytest.mark.skipif(not shutil.which("lua5.4"), reason="lua5.4 is not on PATH")
def test_the_script_maps_a_line_of_the_log_and_leaves_inputs_out(tmp_path: Path) -> None:
    files = logs_files(project(tmp_path), "local")
    (tmp_path / "ecs.lua").write_text(files["ecs.lua"], encoding="utf-8")
    (tmp_path / "try.lua").write_text(
        'dofile("ecs.lua")\n'
        'local line = {time="2026-03-01T00:00:00Z", request_id="r1", model="rain", ms=1.5, row=0,\n'
        '  version="a1b2", id={person="Ada"}, inputs={age=36}, key="web", variant="champion"}\n'
        "local code, at, found = to_ecs('predictions', 7, line)\n"
        "assert(code == 2 and at == 7)\n"
        "local names = {}\n"
        "for name, value in pairs(found) do\n"
        "  names[#names + 1] = name .. '=' .. tostring(value)\nend\n"
        "table.sort(names)\nprint(table.concat(names, '\\n'))\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        ["lua5.4", "try.lua"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "@timestamp=2026-03-01T00:00:00Z", "ecs.version=8.11.0",
        "event.dataset=mlops.predictions", "event.duration=1500000", "http.request.id=r1",
        "mlops.row=0", "mlops.variant=champion", "service.name=rain", "service.version=a1b2",
    ]  # fmt: skip
    mapped = json.loads(files["index-template.json"])["template"]["mappings"]["properties"]
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert names <= set(mapped)
