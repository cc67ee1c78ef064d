"""The command that DVC starts: asks the warm parent for a child, and stands for that child.

DVC and the terminal see this process: it passes the signals on that it gets, and ends as the
child ends. It imports no library; that it starts at once is the point of it.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from mlops_cli.pipeline.forkserver.protocol import (
    INTERRUPTED,
    SOCKET,
    address,
    pack,
    read_exactly,
    same_user,
)

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)


def ask(arguments: Sequence[str]) -> int | None:
    """The exit code of the child that did the work; None where this process has to do it.

    Ends by the child's own signal where one ended it, and with the run that it belongs to.
    """
    name = os.environ.get(SOCKET)
    if not name:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as parent:
        try:
            parent.connect(address(name))
            if not same_user(parent):
                return None
            socket.send_fds(parent, [b"r"], [0, 1, 2])
            parent.sendall(_request(arguments))
            said, descriptors, _, _ = socket.recv_fds(parent, 1, 1)
        except ConnectionError:
            _end_by(signal.SIGKILL)  # the run that DVC worked for was killed: so are its stages
        if said == INTERRUPTED:
            return 130
        if said and not descriptors:
            return None
        return _stand_for(parent, descriptors[0]) if said else _end_by(signal.SIGKILL)


def _request(arguments: Sequence[str]) -> bytes:
    umask = os.umask(0)
    os.umask(umask)
    environment = [name + b"=" + value for name, value in os.environb.items()]
    folder = os.getcwdb()  # noqa: PTH109  this process starts without pathlib
    head = [b"%d" % umask, folder, b"%d" % len(arguments), *map(os.fsencode, arguments)]
    return pack(head + environment)


def _stand_for(parent: socket.socket, child: int) -> int:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        _send(child, signal.Signals(number))

    def stop(_number: int, _frame: FrameType | None) -> None:
        _send(child, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        _send(child, signal.SIGCONT)

    for number, handler in (*((n, pass_on) for n in _PASSED_ON), (signal.SIGTSTP, stop)):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks
            signal.signal(number, handler)
    status = read_exactly(parent, 4)
    if len(status) < 4:  # the parent was killed, and the kernel took the child with it
        _end_by(signal.SIGKILL)
    code = os.waitstatus_to_exitcode(int.from_bytes(status, "big"))
    return code if code >= 0 else _end_by(signal.Signals(-code))


def _send(child: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        signal.pidfd_send_signal(child, number)


def _end_by(number: signal.Signals) -> NoReturn:
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(128 + number)
