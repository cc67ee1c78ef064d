"""The tutorial is run as it stands, block after block, in one shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "getting-started" / "tutorial.md"
EXPECTED = re.compile(r"^(.*?)\s+# exit (\d+)$", re.M)


@pytest.mark.slow
def test_every_block_does_what_the_page_says(tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.M | re.S)
    script = "set -euo pipefail\n" + "\n".join(blocks)
    script = EXPECTED.sub(r"code=0; \1 || code=$?; test $code = \2", script)
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert '"probability":' in done.stdout
    left_out = next(line for line in done.stdout.splitlines() if line.startswith("left out: "))
    assert {"dep_time,", "arr_time,", "air_time,"} <= set(left_out.split())
