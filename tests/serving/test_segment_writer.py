"""The thread that writes segments: by size, by the clock, bounded, whatever the disk does."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops_cli._poll import wait_until
from mlops_cli.serving import segment_writer, segments
from mlops_cli.serving.segment_writer import Done, SegmentWriter
from mlops_cli.serving.settings import Log, Rotate, Seconds, Size

LINE = b"x" * 99 + b"\n"


@contextmanager
def _writer(
    folder: Path, size: int = 10**6, every: float = 300, most: int = 10**9
) -> Iterator[SegmentWriter]:
    settings = Log(max=Size(most), rotate=Rotate(Size(size), Seconds(every)))
    writer = SegmentWriter(folder, segments.PREDICTIONS, settings)
    try:
        yield writer
    finally:
        writer.close()


def _put(writer: SegmentWriter, text: bytes, lines: int, done: Done | None = None) -> bool:
    return writer.put([text], len(text), lines, done)


def _lines(folder: Path) -> int:
    return sum(segments.count_lines(path) for path in segments.closed(folder))


def test_a_segment_is_closed_at_its_size_and_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "made/here"
    with _writer(folder, size=1000) as writer:
        for _ in range(25):
            assert _put(writer, LINE, 1)
    assert [path.stat().st_size for path in segments.closed(folder)] == [1000, 1000, 500]
    assert (writer.written, writer.dropped) == (25, 0)


def test_a_segment_is_closed_by_the_clock_although_nothing_comes(tmp_path: Path) -> None:
    with _writer(tmp_path, every=0.01) as writer:
        _put(writer, LINE, 1)
        assert wait_until(lambda: segments.closed(tmp_path), seconds=30, step=0.05)


def test_a_segment_is_closed_when_somebody_asks(tmp_path: Path) -> None:
    with _writer(tmp_path) as writer:
        _put(writer, LINE, 1)
        assert wait_until(lambda: writer.written == 1, seconds=30, step=0.01)
        assert segments.closed(tmp_path) == []
        (tmp_path / segments.ROTATE).touch()
        assert wait_until(lambda: segments.closed(tmp_path), seconds=30, step=0.05)


def test_what_another_left_open_is_closed(tmp_path: Path) -> None:
    with _writer(tmp_path):
        left = tmp_path / f"{segments.new_stem(segments.LABELS, segments.new_token(), 1)}.open"
        left.write_bytes(LINE)
        assert wait_until(lambda: segments.closed(tmp_path), seconds=30, step=0.05)


def test_all_segments_together_are_bounded_and_what_went_is_counted(tmp_path: Path) -> None:
    with _writer(tmp_path, size=1000, most=3000) as writer:
        for _ in range(100):
            _put(writer, LINE, 1)
        assert wait_until(lambda: writer.dropped > 0, seconds=30, step=0.05)
    assert writer.written == 100
    assert writer.dropped + _lines(tmp_path) == 100
    assert _lines(tmp_path) <= 30


def test_more_than_may_wait_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_writer, "WAITING", 1000)
    stuck, goes_on = threading.Event(), threading.Event()

    def slow_disk(_: bool) -> None:
        stuck.set()
        assert goes_on.wait(30)

    with _writer(tmp_path) as writer:
        _put(writer, LINE, 1, slow_disk)
        assert stuck.wait(30)
        taken = sum(_put(writer, LINE, 1) for _ in range(100))
        assert taken < 100
        assert writer.dropped == 100 - taken
        goes_on.set()
    assert writer.written == _lines(tmp_path) == taken + 1


def test_a_disk_that_takes_nothing_ends_nothing_and_a_later_one_takes_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "log"
    folder.write_text("a file where the folder should be")
    told: list[bool] = []
    with _writer(folder) as writer:
        _put(writer, LINE, 1, told.append)
        assert wait_until(lambda: told == [False], seconds=30, step=0.01)
        folder.unlink()
        folder.mkdir()
        _put(writer, LINE * 2, 2, told.append)
    assert told == [False, True]
    assert (writer.written, writer.dropped, _lines(folder)) == (2, 1, 2)
    assert os.fspath(folder) in caplog.text
