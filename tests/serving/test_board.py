"""Counters in shared memory: each has one writer, and the sum is that of one moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlops_cli.serving.board import OVERFLOW, Block, Board
from mlops_cli.serving.metrics import Metrics


def _in_child(work: Callable[[], None], *, killed: bool = False) -> None:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL) if killed else os._exit(0)
    os.waitpid(child, 0)


def test_the_sum_over_processes_is_exact_also_of_one_that_was_killed() -> None:
    board = Board(3)

    def count(place: int) -> None:
        block = Block(board, place)
        for n in range(1000):
            block.words[block.cell(f"a{n % 7}")] += 1

    for place in range(3):
        _in_child(lambda place=place: count(place), killed=place == 1)
    _in_child(lambda: count(1))  # who follows it goes on with its block
    assert sum(board.totals().values()) == 4000
    assert set(board.totals()) == {f"a{n}" for n in range(7)}


def test_no_reader_sees_a_number_that_moves_twice_or_not_at_all() -> None:
    board = Board(2)
    block = Block(board, 0)
    block.words[block.cell("b")] = 1000
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        names = "b", "c"
        mover = Block(board, 0)
        for n in range(20_000):
            mover.move(names[n % 2], names[1 - n % 2])
        os.write(writing, b"x")
        os._exit(0)
    os.close(writing)
    os.set_blocking(reading, False)
    seen = set()
    try:
        while True:
            seen.add(sum(board.totals().values()))
            try:
                os.read(reading, 1)
                break
            except BlockingIOError:
                continue
    finally:
        os.waitpid(child, 0)
        os.close(reading)
    assert seen == {1000}


def test_a_cell_that_was_given_up_is_taken_again() -> None:
    board = Board()
    block = Block(board, 0)
    for n in range(2000):
        block.words[block.cell(f"n{n}")] += 1
        block.move(f"n{n}", "sum")
    assert board.totals() == {"sum": 2000}


def test_where_no_room_is_left_it_is_counted_as_that() -> None:
    board = Board()
    block = Block(board, 0)
    for n in range(2000):
        block.words[block.cell(f"n{n}")] += 1
    totals = board.totals()
    assert sum(totals.values()) == 2000
    assert totals[OVERFLOW] > 1000


def test_a_name_that_no_cell_can_hold_is_a_fault() -> None:
    with pytest.raises(ValueError, match="longer than 120 bytes"):
        Block(Board(), 0).cell("n" * 121)


def test_what_was_asked_of_a_version_that_goes_is_asked_of_others() -> None:
    metrics = Metrics()
    for version in ("a" * 12, "b" * 12):
        for _ in range(5):
            metrics.answered(200, 0.003, 2, "champion", version)
    metrics.count(404)

    def shown(*loaded: str) -> dict[str, float]:
        text = metrics.exposition({"version": v, "model": 'a"b'} for v in loaded).decode()
        families = text_string_to_metric_families(text)
        return {
            s.labels["version"]: s.value
            for family in families
            for s in family.samples
            if s.name == "mlops_requests_total"
        }

    both = {"a" * 12: 5, "b" * 12: 5, "none": 1}
    assert shown("a" * 12, "b" * 12) == both
    after = {"a" * 12: 5, "other": 5, "none": 1}
    assert shown("a" * 12) == after  # another worker has unloaded it, this one not yet
    metrics.unloaded("b" * 12)
    assert shown("a" * 12) == after
    metrics.count(200, "champion", "b" * 12)  # loaded again: it begins anew
    assert shown("a" * 12, "b" * 12) == {**after, "b" * 12: 1}
