"""Progress that keeps what is logged."""

from __future__ import annotations

from mlops_cli.progress import Progress


class Heard(Progress):
    """`lines` are what was logged, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, text: str) -> None:
        self.lines.append(text)

    def update(self, text: str, *, done: int | None = None, total: int | None = None) -> None:
        pass
