"""Every way to read runs in UTC, wherever the machine stands."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
from mlops_cli.tables import open_engine
sql = "select extract(hour from timestamptz '2013-01-01 00:30:00+00') as h"
with open_engine() as engine:
    print(engine.rows(sql)[0][0], engine.arrow(sql)["h"][0], next(engine.batches(sql))["h"][0])
"""


def test_rows_arrow_and_batches_are_in_utc():
    environment = {**os.environ, "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=True)
    assert done.stdout.split() == ["0", "0", "0"]
