"""Ctrl-C in a stage: no finalizer swallows it, and none has anything to say after it."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import suppress
from types import FrameType

TYPE_CHECKING = False  # type checkers know the name; the module typing would cost 10 ms
if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_LATER = 0.05  # seconds in which a finalizer has ended


def heed_interrupts() -> None:
    """From now on Ctrl-C ends this process wherever it arrives, and no finalizer comments on it.

    Python drops what is raised in `__del__` or a callback of C, a KeyboardInterrupt too, and
    the search would go on; and a library's object that Ctrl-C left half made may fail in its
    `__del__`, which Python tells with a traceback. For processes that run a stage: it may start
    a thread, which the warm parent must not have.
    """
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.default_int_handler(number, frame)

    def unraisable(fault: UnraisableHookArgs) -> None:
        nonlocal interrupted
        if issubclass(fault.exc_type, KeyboardInterrupt):
            interrupted = True
            _interrupt_later()
        elif not interrupted:
            sys.__unraisablehook__(fault)

    sys.unraisablehook = unraisable
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not ignored, as nohup asks
        signal.signal(signal.SIGINT, interrupt)


def _interrupt_later() -> None:
    # Ctrl-C is raised in the main thread only, so this is it. The signal itself, and not
    # `interrupt_main`, ends what waits in the kernel, too.
    again = threading.Timer(_LATER, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
    again.daemon = True
    with suppress(RuntimeError):  # no thread can be started: the interpreter ends anyhow
        again.start()
