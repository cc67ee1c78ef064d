"""Ctrl-C that meets a finalizer: it ends the stage's process, which says nothing of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What the door of a stage leaves of a process: it refuses the name, and the process goes on.
SOCKET = """
import os, signal, sys, time
from mlops_cli.cli.main import main

sys.argv = ["mlops", "stage"]
try:
    main()
except SystemExit as e:
    assert e.code == 2
print("refused", file=sys.stderr, flush=True)
"""
SWALLOWED = """
class Held:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

held = Held()
try:
    del held
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
"""
HALF_MADE = """
class Held:
    def __init__(self):
        os.kill(os.getpid(), signal.SIGINT)
        self.handle = 1

    def __del__(self):
        print(self.handle)

try:
    Held()
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("what", [SWALLOWED, HALF_MADE], ids=["in __del__", "in __init__"])
def test_ctrl_c_that_meets_a_finalizer_ends_the_stage_in_silence(what: str) -> None:
    ended = python(SOCKET + what)
    assert (ended.returncode, ended.stderr.partition("refused\n")[2]) == (130, "")


def test_what_a_finalizer_says_is_told_where_nobody_interrupted() -> None:
    ended = python(SOCKET + "class Held:\n    def __del__(self):\n        1 / 0\n\nHeld()")
    assert ended.returncode == 0
    assert "ZeroDivisionError" in ended.stderr


def python(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
