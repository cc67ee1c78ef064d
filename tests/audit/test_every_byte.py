"""Every single byte of a log of 200 entries changed, and every line of it removed: each found."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit_logs import LOG, Shelf, note
from mlops_cli.audit.entry import parse
from mlops_cli.audit.log import Log, read_log
from mlops_cli.audit.verify import graph_faults, verify

ENTRIES = 200


@pytest.mark.slow
def test_every_byte_of_two_hundred_entries(tmp_path: Path) -> None:
    """A line is read by itself, so that a changed one is read among the others as they were."""
    shelf = Shelf()
    for n in range(ENTRIES):
        note(tmp_path, f"target-{n % 7}", shelf, digest=f"{n:064x}")
    file, alone = tmp_path / LOG, tmp_path / "alone"
    text = file.read_bytes()
    whole, lines = read_log(tmp_path).entries, text.splitlines(keepends=True)
    assert (len(whole), verify(tmp_path, Log(whole), shelf).verified) == (ENTRIES, True)
    (alone / LOG).parent.mkdir(parents=True)
    tried = 0
    for number, line in enumerate(lines):
        entry = parse(line[:-1])
        after = lines[number + 1] if number + 1 < ENTRIES else b""
        touched = {entry.id, *([parse(after[:-1]).id] if after else [])}
        others = {i: e for i, e in whole.items() if i not in touched}
        for at in range(len(line)):
            changed = line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]
            (alone / LOG).write_bytes(changed + after)
            found = read_log(alone)
            if not found.faults:  # the last newline: a line that looks cut off by a kill
                log = Log(others | dict(found.entries))
                assert graph_faults(log) or not verify(alone, log, shelf).verified, (number, at)
            tried += 1
    assert tried == len(text)
    for number in range(ENTRIES):
        file.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))
        assert verify(tmp_path, read_log(tmp_path), shelf).verified is False, number
