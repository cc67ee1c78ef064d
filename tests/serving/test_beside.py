"""Two things at a time: what one of them returns or raises is what the caller gets."""

from __future__ import annotations

import threading

import pytest

from mlops_cli.serving import beside
from mlops_cli.serving.beside import Beside


@pytest.mark.parametrize("slow", [0.0, 60.0])
@pytest.mark.parametrize("cores", [1, 2])
def test_both_are_done_and_a_fault_of_either_is_raised(
    cores: int, slow: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "cores", lambda: cores)
    monkeypatch.setattr(beside, "SLOW", slow)
    both, done = Beside(), []

    def fails() -> int:
        raise ZeroDivisionError("planted")

    assert both.both(lambda: 7, lambda: done.append("here")) == 7
    with pytest.raises(ZeroDivisionError, match="planted"):
        both.both(fails, lambda: done.append("here, too"))
    with pytest.raises(ZeroDivisionError, match="planted"):
        both.both(lambda: done.append("there"), fails)
    assert both.both(lambda: 8, lambda: None) == 8  # what was raised before is of the past
    assert done[:2] == ["here", "here, too"]


def test_one_does_not_wait_for_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "cores", lambda: 2)
    told = threading.Event()
    assert Beside().both(lambda: told.wait(60), told.set)
