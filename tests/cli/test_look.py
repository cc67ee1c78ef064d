"""What a terminal shows: aligned, wrapped, in colour; and what a file or a pipe gets."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import projects
from mlops_cli.cli.colour import paint
from mlops_cli.cli.look import TIE, aligned, row
from mlops_cli.cli.stage import stage_command
from mlops_cli.cli.terminal import TerminalProgress

ROWS = [
    row("name", "ready", colour="green"),
    row("a longer name", "dvc remote add --default NAME URL && dvc push " * 3, colour="red"),
    row("n" * 60, "after a cell that is wider than columns are"),
]
Terminal = Callable[[int], None]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Makes standard output a terminal of so many columns."""

    def become(columns: int) -> None:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)

    return become


def plain(lines: list[str]) -> list[str]:
    return [re.sub(r"\x1b\[\d+m", "", line) for line in lines]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_long_cell_goes_on_below_itself_and_nothing_is_cut(
    terminal: Terminal, columns: int
) -> None:
    terminal(columns)
    lines = plain(list(aligned(ROWS)))
    name, long = lines[0], lines[1:-1]
    start = name.index("ready")
    assert len(long) > 1
    assert all(line[:start].strip() in ("", "a longer name") for line in long)
    assert " ".join(line[start:] for line in long).split() == ROWS[1].cells[1].split()
    assert max(map(len, long)) <= columns
    assert lines[-1] == "  ".join(ROWS[2].cells)


TABLE = [
    row("settings", "a", "b", "difference"),
    row("  validation_average_precision", f"0.7 [0.61,{TIE}0.79]", f"0.8 [0.71,{TIE}0.89]", "+0.1"),
    row("  features", "[" + ", ".join(f"column_{i}" for i in range(9)) + "]", "[column_0]", "-"),
]


@pytest.mark.parametrize("columns", [80, 120])
def test_cells_of_a_table_stay_in_their_columns(terminal: Terminal, columns: int) -> None:
    terminal(columns)
    lines = plain(list(aligned(TABLE)))
    assert max(map(len, lines)) <= columns
    starts = [lines[0].index(name) for name in (" a ", " b ", " difference")]
    assert all(line[at].isspace() for line in lines for at in starts if at < len(line))
    assert "[0.61, 0.79]" in " ".join(lines)  # not broken within
    cells = [line[starts[0] + 1 : starts[1]] for line in lines[1:]]
    assert TABLE[2].cells[1] in " ".join(" ".join(cells).split())


def test_tied_words_stay_together(terminal: Terminal) -> None:
    terminal(60)
    lines = plain(list(aligned([row("part", ", ".join(f"metric_{i}{TIE}0.5" for i in range(12)))])))
    assert len(lines) > 1
    assert all(re.fullmatch(r"(part| {4})(  | )(metric_\d+ 0\.5,? ?)+", line) for line in lines)


def test_a_pipe_gets_a_line_for_each_row_and_no_colour() -> None:
    lines = list(aligned(ROWS))
    assert len(lines) == len(ROWS)
    assert "\x1b" not in "".join(lines)


def test_colour_is_for_terminals_that_want_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert paint("ready", "green") == "ready"
    terminal(80)
    assert paint("ready", "green") == "\x1b[32mready\x1b[0m"
    assert paint("ready", None) == "ready"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("ready", "green") == "ready"
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert paint("ready", "green") == "ready"


def test_the_live_line_is_gone_before_the_result_is_told(tmp_path: Path) -> None:
    """On a real terminal: what the last command drew, as the terminal then shows it."""
    project = projects.copy(projects.finished("parcels"), tmp_path / "p")
    command = ["score", "data/raw/parcels.csv", "out.csv", "--bundle", "model", "--dry-run"]
    own, other = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mlops_cli", *command],
        cwd=project,
        stdout=other,
        stderr=other,
        env={**os.environ, "TERM": "xterm"},
    ) as process:
        os.close(other)
        said = b""
        try:
            while chunk := os.read(own, 4096):
                said += chunk
        except OSError:  # the terminal's other end is closed
            pass
    os.close(own)
    assert process.returncode == 0, said
    drawn = said.decode()
    assert "\x1b[Kscored " in drawn
    shown = [line.rpartition("\r\x1b[K")[2] for line in drawn.replace("\r\n", "\n").split("\n")]
    assert shown[0].startswith("would write ")


def test_the_live_line_of_a_stage_is_gone_before_its_error_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]  # as a terminal says
    TerminalProgress(terminal, prefix="package").update("writing image/")
    assert terminal.getvalue().endswith("writing image/")
    assert stage_command(["package"]) == 2
    assert terminal.getvalue().endswith("writing image/\r\x1b[K")
    assert capsys.readouterr().err.startswith("error: this command is for DVC")
