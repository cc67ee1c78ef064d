"""Look again and again, for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def wait_until(look: Callable[[], _T], *, seconds: float, step: float = 0.1) -> _T:
    """The first answer of `look` that is true, or the last one after so many seconds.

    It is looked at least once, and every `step` seconds.
    """
    end = time.monotonic() + seconds
    while not (answer := look()) and time.monotonic() < end:
        time.sleep(step)
    return answer
