"""A worker of the supervisor, without it."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from mlops_cli.bundle.reader import open_bundle
from mlops_cli.targets.local.control import Wanted
from mlops_cli.targets.local.worker import listen, start_worker
from mlops_cli.testing.target import get


def test_the_end_of_a_login_does_not_end_a_worker_before_its_supervisor_does(
    bundles_to_deploy: Path,
) -> None:
    """It sends SIGHUP together with SIGTERM: by the one a worker would die in its answers."""
    bundle = bundles_to_deploy / "first"
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        wanted = Wanted("1", str(bundle), open_bundle(bundle).digest, "127.0.0.1", port)
        worker = start_worker(wanted, listener)
        try:
            until = time.monotonic() + 60
            while not worker.ready:
                assert worker.failure() is None
                assert time.monotonic() < until
                time.sleep(0.02)
            worker.process.send_signal(signal.SIGHUP)
            assert get(f"http://127.0.0.1:{port}")[0] == 200
            assert not worker.exited()
        finally:
            worker.kill()
            worker.close()
