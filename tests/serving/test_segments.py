"""Segments of a log on disk: closed by a rename, owned by a lock, bounded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mlops_cli.serving import segments
from mlops_cli.serving.segments import Segment, new_stem, new_token


def _segment(folder: Path, number: int = 1, kind: str = segments.PREDICTIONS) -> Segment:
    return Segment(folder, new_stem(kind, new_token(), number))


def _closed(folder: Path, lines: int) -> Path:
    found = set(segments.closed(folder))
    segment = _segment(folder)
    segment.write(b"{}\n" * lines)
    segment.close()
    (new,) = set(segments.closed(folder)) - found
    return new


def test_a_segment_is_open_until_it_is_closed_and_then_never_changes(tmp_path: Path) -> None:
    segment = _segment(tmp_path)
    segment.write(b'{"a":1}\n')
    assert segments.closed(tmp_path) == []
    (path,) = tmp_path.iterdir()
    assert path.suffix == ".open"
    assert segments.close_left(tmp_path) == []  # its owner lives
    segment.close()
    (found,) = segments.closed(tmp_path)
    assert found.read_bytes() == b'{"a":1}\n'
    assert found.stem == path.stem
    assert segments.kind_of(found.name) == "predictions"


def test_one_without_a_line_leaves_no_file(tmp_path: Path) -> None:
    _segment(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_closed_without_its_torn_line(tmp_path: Path) -> None:
    dies = (
        "import os, sys; from pathlib import Path; from mlops_cli.serving.segments import *; "
        "s = Segment(Path(sys.argv[1]), new_stem(LABELS, new_token(), 1)); "
        "s.write(b'1\\n2\\n'); s.write(b'torn' * 400_000); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", dies, tmp_path], check=False).returncode == -9
    (left,) = segments.close_left(tmp_path)
    assert left.read_bytes() == b"1\n2\n"
    assert segments.close_left(tmp_path) == []
    assert segments.closed(tmp_path) == [left]


def test_a_segment_of_one_torn_line_is_no_segment(tmp_path: Path) -> None:
    (tmp_path / f"{new_stem(segments.PREDICTIONS, new_token(), 1)}.open").write_bytes(b'{"a":')
    assert segments.close_left(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_lines_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    fills_up = (
        "import resource, sys; from pathlib import Path; from mlops_cli.serving.segments import *\n"
        "s = Segment(Path(sys.argv[1]), new_stem(LABELS, new_token(), 1))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "s.write(b'x' * 2999 + b'\\n')\n"
        "try: s.write(b'y' * 2999 + b'\\n')\n"
        "except OSError: s.write(b'z' * 999 + b'\\n'); s.close()\n"
    )
    subprocess.run([sys.executable, "-c", fills_up, tmp_path], check=True)
    (found,) = segments.closed(tmp_path)
    assert found.read_bytes() == b"x" * 2999 + b"\n" + b"z" * 999 + b"\n"


def test_the_oldest_goes_first_and_its_lines_are_counted(tmp_path: Path) -> None:
    paths = [_closed(tmp_path, lines) for lines in (10, 20, 30)]
    for path, day in zip(paths, (3, 1, 2), strict=True):
        path.rename(path.with_name(f"{path.name[:12]}201311{day:02d}{path.name[20:]}"))
    (tmp_path / "notes.txt").write_text("x" * 1000)  # somebody else's
    assert segments.remove_beyond(tmp_path, 150) == 20
    assert [len(p.read_bytes()) for p in segments.closed(tmp_path)] == [90, 30]
    assert segments.remove_beyond(tmp_path, 150) == 0
    assert (tmp_path / "notes.txt").exists()


def test_names_are_those_of_no_other_process(tmp_path: Path) -> None:
    assert len({new_stem(segments.LABELS, new_token(), 1) for _ in range(1000)}) == 1000
    assert segments.kind_of("rain.ndjson") is None
    assert segments.closed(tmp_path / "absent") == []
