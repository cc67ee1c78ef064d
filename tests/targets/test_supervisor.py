"""The supervisor, a step at a time, with real workers: what it does between two of its looks."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_cli.bundle.reader import open_bundle
from mlops_cli.targets.local import worker as worker_module
from mlops_cli.targets.local.control import Control, Wanted
from mlops_cli.targets.local.supervisor import Supervisor
from mlops_cli.targets.local.worker import Worker


def steps(supervisor: Supervisor, until: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end, "it did not come to pass"
        supervisor._step()
        time.sleep(0.02)


@pytest.fixture
def control(tmp_path: Path) -> Control:
    return Control(tmp_path)


@pytest.fixture
def supervisor(control: Control) -> Iterator[Supervisor]:
    lock = control.hold()
    assert lock is not None
    made = Supervisor(control, lock)
    made._asked = False  # the tests start what they ask for themselves
    yield made
    made._ending = True
    made._step()
    steps(made, lambda: not made._leaving)
    os.close(lock)


def start(supervisor: Supervisor, bundle: Path, port: int) -> Worker:
    """A candidate that nobody has looked at since it was started."""
    digest = open_bundle(bundle).digest
    supervisor._begin(Wanted(bundle.name, str(bundle), digest, "127.0.0.1", port))
    assert supervisor._candidate is not None
    return supervisor._candidate


def stand_still(worker: Worker) -> None:
    worker.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, worker.process.pid, os.WSTOPPED | os.WNOWAIT)


def test_a_withdrawn_candidate_answers_whom_it_has_accepted(
    supervisor: Supervisor, bundles_to_deploy: Path, free_port: int
) -> None:
    """It shares the socket, and accepts before the supervisor has read that it is ready."""
    serving = start(supervisor, bundles_to_deploy / "first", free_port)
    steps(supervisor, lambda: supervisor._serving is serving)
    candidate = start(supervisor, bundles_to_deploy / "second", free_port)
    assert select.select([candidate.ready_pipe], [], [], 60)[0]
    stand_still(serving)  # so that it is the candidate who accepts
    client = http.client.HTTPConnection("127.0.0.1", free_port, timeout=60)
    try:
        client.request("GET", "/readyz")
        assert json.loads(client.getresponse().read())["digest"] == candidate.wanted.digest
        event = b'{"kind": "a", "x": 1000}'
        client.putrequest("POST", "/v1/predict")
        client.putheader("Content-Length", str(len(event)))
        client.endheaders(event[:5])
        supervisor._asked = True  # and nothing is asked any more: the deploy was interrupted
        supervisor._step()
        client.send(event[5:])
        assert client.getresponse().status == http.HTTPStatus.OK
    finally:
        client.close()
        serving.process.send_signal(signal.SIGCONT)
    assert supervisor._serving is serving
    steps(supervisor, candidate.exited)


def test_a_worker_that_stands_still_is_replaced(
    supervisor: Supervisor, bundles_to_deploy: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "SILENCE_LIMIT", 3.0)
    serving = start(supervisor, bundles_to_deploy / "first", free_port)
    steps(supervisor, lambda: supervisor._serving is serving)
    end = time.monotonic() + 4
    steps(supervisor, lambda: time.monotonic() > end)
    assert supervisor._serving is serving, "one that works was given up"
    stand_still(serving)
    steps(supervisor, lambda: supervisor._serving is not serving and supervisor._serving.ready)
    client = http.client.HTTPConnection("127.0.0.1", free_port, timeout=60)
    client.request("GET", "/readyz")
    assert client.getresponse().status == http.HTTPStatus.OK
    client.close()
