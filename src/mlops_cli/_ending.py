"""End a process without taking its modules apart, which takes up to a second."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress

TYPE_CHECKING = False  # type checkers know the name; the module typing would cost 10 ms
if TYPE_CHECKING:
    from typing import NoReturn


def end_process(code: int) -> NoReturn:
    """End with `code`, after threads and exit handlers, and with all output written."""
    threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing ends its children
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
