"""What a fault must say stands in docs/reference/faults.md alone: its table is held to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from command_line import Done

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/reference/faults.md"
_ROW = re.compile(r"^\| `(?P<name>[\w-]+)` \|.*\| (?P<code>\d+) \| (?P<says>.+) \|$", re.M)


@dataclass(frozen=True)
class Row:
    """A row of the table: `says` is what is printed, with an ellipsis for what may differ."""

    code: int
    says: str

    @property
    def pattern(self) -> str:
        return ".*?".join(re.escape(part.strip()) for part in self.says.split("…"))


ROWS = {
    m["name"]: Row(int(m["code"]), m["says"]) for m in _ROW.finditer(DOCUMENT.read_text("utf-8"))
}


def check(done: Done, name: str) -> None:
    """Hold the end of a command to the row `name`: its exit code, its words, and no traceback."""
    row, said = ROWS[name], " ".join(done.said.split())
    assert "Traceback" not in said
    assert (done.code, bool(re.search(row.pattern, said))) == (row.code, True), f"{name}: {done}"


def leftovers(folder: Path) -> list[str]:
    """Files that stand under a temporary name: what was not finished."""
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if ".tmp" in p.name]
