"""Do in a child process first what may end a process: what a compiled library makes of a file."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress

from mlops_cli.errors import BundleError

LIMIT = 60  # seconds of the child
_DONE, _RAISED = 86, 87  # codes of its own: a library that ends it says 0 as well


def survive(work: Callable[[], object], what: str) -> bool:
    """Do `work` in a forked child; raises `BundleError` on `what` where that ends the child.

    Returns whether it was done. An exception is no end: whoever does the work afterwards meets it,
    too. The fork costs some milliseconds, and nothing is imported twice: the work's modules are to
    be loaded before.
    """
    if sys.platform != "linux":  # macOS ends forked children of a process with frameworks
        return False
    with warnings.catch_warnings():
        # Libraries have threads of their own; the child uses none of what those may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _work(work)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise _ended(what, os.WTERMSIG(status))
    code = os.waitstatus_to_exitcode(status)
    if code not in (_DONE, _RAISED):
        raise BundleError(f"{what}: reading it ended a process with code {code}", hint=_HINT)
    return code == _DONE


def _work(work: Callable[[], object]) -> None:
    """The child: no dump of memory, no handler of the parent's, no word, and no way but the end."""
    code = _RAISED
    try:
        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(LIMIT)  # also where the parent is gone by then
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        with suppress(Exception):
            work()
            code = _DONE
    finally:
        os._exit(code)


def _ended(what: str, number: int) -> BundleError:
    if number == signal.SIGALRM:
        return BundleError(f"{what}: reading it took more than {LIMIT} s", hint=_HINT)
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGKILL:
        return BundleError(
            f"{what}: a process that read it was killed ({name})",
            hint="is there enough memory for the model? If so: train again, or take the bundle "
            "from the registry again",
        )
    return BundleError(f"{what}: reading it ended a process ({name})", hint=_HINT)


_HINT = "the file is broken, or made to do so: train again, or take the bundle from the registry"
