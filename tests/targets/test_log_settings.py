"""The prediction log of a deployment: where it stands, and what the section makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.serving.settings import ALL, Log, Names, Rotate, Seconds, Size, from_environment

REST = "project: p\ntask: binary\ndata: {table: t.csv, target: y}\n"
SECTION = (
    "serve: {log: {sample: 0.5, columns: [a, 'b,c'], hash: [a], leave_out: [d], max: 2GB, "
    "rotate: {size: 1MiB, every: 30s}}}\n"
)


def _project(folder: Path, text: str = "") -> Project:
    (folder / "mlops.yaml").write_text(REST + text)
    return load_project(folder)


def test_the_section_is_what_a_server_reads(tmp_path: Path) -> None:
    serve = _project(tmp_path, SECTION).config.serve
    wanted = Log(
        sample=0.5,
        columns=Names(("a", "b,c")),
        hash=Names(("a",)),
        leave_out=Names(("d",)),
        dir="/logs",
        max=Size(2 * 1000**3),
        rotate=Rotate(Size(1024**2), Seconds(30)),
    )
    assert serve.settings(log="/logs").log == wanted
    assert from_environment(serve.environment(log="/logs")) == serve.settings(log="/logs")


def test_it_is_on_by_its_documented_values_and_null_switches_it_off(tmp_path: Path) -> None:
    serve = _project(tmp_path).config.serve
    log = serve.settings(log="/logs").log
    assert log == Log(1.0, ALL, Names(), Names(), "/logs", Size(10**9), Rotate(Size(64 * 10**6)))
    assert serve.environment(log="/logs") == {"MLOPS_SERVE_LOG__DIR": "/logs"}
    off = _project(tmp_path, "serve: {log: null}\n").config.serve
    assert off.environment(log="/logs") == {"MLOPS_SERVE_LOG": "null"}
    assert from_environment(off.environment(log="/logs")).log is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sample: 1.5", "serve.log.sample"),
        ("max: 1", "serve.log.max"),
        ("max: 1MB", "max (1MB) is less than rotate.size (64MB)"),
        ("rotate: {size: 0MB}", "serve.log.rotate.size"),
        ("rotate: {every: 0s}", "serve.log.rotate.every"),
        ("columns: some", "serve.log.columns"),
        ("colour: red", "serve.log.colour"),
    ],
)
def test_what_no_server_could_read_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        _project(tmp_path, f"serve: {{log: {{{text}}}}}")
    assert says in refused.value.message
