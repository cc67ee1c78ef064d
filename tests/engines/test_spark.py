"""Spark itself: two executors, one of which is killed; no Java, no cluster, no address."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import threading
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine_conformance import Conformance
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import FEATURES_TABLE
from mlops_cli.config.sections.engine import EngineConfig
from mlops_cli.errors import EnvironmentFault
from mlops_cli.stages.featurize import featurize
from mlops_cli.tables import open_cluster
from servers import free_port

pytest.importorskip("pyspark", reason="the extra spark; `nox -s extras` installs it")
pytestmark = pytest.mark.extras

TWO = "local-cluster[2,1,1024]"


def executors() -> list[int]:
    """The processes of executors, whoever started them."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"CoarseGrainedExecutorBackend" in file.read_bytes():
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


@contextmanager
def one_killed() -> Iterator[list[int]]:
    """While it lasts, the first executor that starts is killed as soon as two are there."""
    before, killed, over = {*executors()}, [], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            ours = sorted({*executors()} - before)
            if len(ours) >= 2:
                time.sleep(4)  # it is at work by then
                os.kill(ours[0], signal.SIGKILL)
                killed.append(ours[0])
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


class TestTwoExecutors(Conformance):
    url = TWO
    # Sail has the others, and a session of Spark's takes its time.
    test_a_folder_of_parts_one_of_which_lacks_a_column = None
    test_only_what_is_recent = None
    test_scores_of_csv = None
    test_parts_of_two_schemas_are_the_same_error = None
    test_sums_whose_order_is_open_differ_in_their_last_digits = None


def test_an_executor_that_is_killed_changes_nothing(model: Path, tmp_path: Path) -> None:
    with one_killed() as killed:
        suite = TestTwoExecutors()
        suite.sizes = (150,)
        suite.test_every_way_of_making_a_feature(model, tmp_path)
    assert killed


def test_a_worker_that_lacks_our_package_is_told(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter of the workers is a bare one."""
    venv.create(tmp_path / "bare")
    monkeypatch.setenv("PYSPARK_PYTHON", str(tmp_path / "bare/bin/python"))
    suite = TestTwoExecutors()
    suite.url = "local-cluster[1,1,1024]"
    project = load_project(shutil.copytree(model, tmp_path / "project"))
    before = (project.root / FEATURES_TABLE).read_bytes()
    with pytest.raises(EnvironmentFault, match=r"a worker of .* has no Python package '\w+'") as e:
        featurize(suite.on(project))
    assert "PYSPARK_PYTHON" in (e.value.hint or "")
    assert (project.root / FEATURES_TABLE).read_bytes() == before
    assert not list(project.cache.glob("parts-*"))


def test_without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    said = refused("local[1]")
    assert "Java" in said.message
    assert "Java 17" in (said.hint or "")


@pytest.mark.parametrize("scheme", ["spark", "sc"])
def test_nothing_answers(scheme: str) -> None:
    said = refused(f"{scheme}://127.0.0.1:{free_port()}")
    assert re.match(rf"nothing answers at {scheme}://127.0.0.1", said.message)


def test_what_answers_is_no_cluster() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        settings = {"spark.driver.host": "127.0.0.1"}
        said = refused(f"spark://{address}", settings)
    assert address in said.message


def refused(url: str, settings: dict[str, str] | None = None) -> EnvironmentFault:
    engine = EngineConfig(spark=url, settings=settings or {})
    with pytest.raises(EnvironmentFault) as fault, open_cluster(engine):
        pass
    return fault.value
