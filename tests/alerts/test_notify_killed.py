"""A command that is killed while it tells: nothing is lost, and what comes twice says so."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from listener import Listener
from mlops_cli.alerts.notify import notify
from mlops_cli.config.load import load_project
from observations import NOW, day

PROJECT = """project: rain
task: binary
data: {table: data/raw/rain.parquet, target: rain}
monitor:
  alerts: [{when: drift}, {when: skew}, {when: "null_rate > 5%"}, {when: "volume < 10"}]
  sinks: [{webhook: "${HOOK}"}, {webhook: "${HOOK}/second"}]
"""
RUN = """
import sys
sys.path.insert(0, TESTS)
from mlops_cli.alerts.notify import notify
from mlops_cli.config.load import load_project
from observations import NOW, day
project = load_project(ROOT)
print("begun", flush=True)
bad = int(sys.argv[1]) % 2
seen = {"drift": bad, "skew": bad, "null_rate": .2 * bad, "volume": 20 - 15 * bad}
notify(project, [day(int(sys.argv[1]), **seen)], NOW)
"""


@pytest.mark.slow
def test_a_kill_loses_no_message_and_a_second_copy_has_the_number_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlops.yaml").write_text(PROJECT, encoding="utf-8")
    tests = str(Path(__file__).parents[1])
    code = RUN.replace("TESTS", repr(tests)).replace("ROOT", repr(str(tmp_path)))
    chance = random.Random(7)
    with Listener() as hook:
        monkeypatch.setenv("HOOK", hook.url)
        for number in range(1, 13):
            run = subprocess.Popen(
                [sys.executable, "-c", code, str(number)], stdout=subprocess.PIPE
            )
            assert run.stdout is not None
            assert run.stdout.readline() == b"begun\n"
            time.sleep(chance.uniform(0, 0.06))
            run.kill()
            run.communicate()
            project, bad = load_project(tmp_path), number % 2
            seen = day(number, drift=bad, skew=bad, null_rate=0.2 * bad, volume=20 - 15 * bad)
            assert not notify(project, [seen], NOW).waiting  # as the next run has it again
        calls = [(path, headers["Idempotency-Key"]) for path, headers in hook.asked]
    told = set(calls)
    assert len(told) == 2 * 4 * 12  # each change of each alert, to each sink
    assert len(calls) - len(told) <= 12  # at most the one on its way when the kill came
    for path in ("/", "/second"):
        for alert in ("drift", "skew", "null_rate>5%", "volume<10"):
            numbers = [n for p, n in dict.fromkeys(calls) if p == path and f"/{alert}#" in n]
            assert numbers == [f"rain/local/{alert}#{i}" for i in range(1, 13)]  # in order
