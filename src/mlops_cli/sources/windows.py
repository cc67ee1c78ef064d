"""Which rows of which file are to be brought, beside those that landed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops_cli.config.sections.source import FilesSource
from mlops_cli.errors import UsageError
from mlops_cli.sources.base import Landed, Span
from mlops_cli.sources.bounds import Bounds
from mlops_cli.sources.watermark import below, kind_of, reaches


@dataclass(frozen=True, slots=True)
class Window:
    """Rows of a file that are one part; `number` is the one that they replace, for that reason.

    `bounds` None: all rows.
    """

    file: str
    stamp: str
    bounds: Bounds | None
    number: int | None = None
    why: str | None = None


class Windows:
    """By what landed of each file, and the span that is asked for."""

    def __init__(self, source: FilesSource, landed: Sequence[Landed], span: Span) -> None:
        """Raises `UsageError` where what landed was cut by another column."""
        self._column, self._span = source.watermark, span
        self._columns = list(source.columns) if source.columns else None
        self._landed: dict[str, list[Landed]] = {}
        for part in landed:
            self._landed.setdefault(part.mark["file"], []).append(part)
            self._refuse_another(part)
        kinds = [kind_of(part) for part in landed if "watermark" in part.mark]
        self._kind = kinds[0] if kinds else None
        self._since = self._begin(landed)

    def of(self, file: str, stamp: str) -> Iterator[Window]:
        """What is to be read of a file: again what changed, then what is further."""
        landed = self._landed.get(file)
        if landed is None:
            bounds = self._bounds(since=self._since, until=self._span.until)
            yield Window(file, stamp, bounds)
            return
        for part in landed:
            if (why := self._why_again(part, stamp)) is not None:
                yield Window(file, stamp, self._again(part), part.number, why)
        through, until = landed[-1].mark.get("until"), self._span.until
        if through is not None and (until is None or below(through, until, self._kind)):
            yield Window(file, stamp, self._bounds(above=through, until=until))

    def _begin(self, landed: Sequence[Landed]) -> str | None:
        """From where on the table is wanted: as it was begun, or from further back."""
        asked = self._span.since
        if not landed:
            return asked
        begun: list[str | None] = [
            part.mark.get("since") for part in landed if part.mark.get("above") is None
        ]
        known = [since for since in begun if since is not None]
        if not known or len(known) < len(begun):
            return None
        lowest = known[0]
        for since in [*known[1:], *([asked] if asked is not None else [])]:
            lowest = since if below(since, lowest, self._kind) else lowest
        return lowest

    def _why_again(self, part: Landed, stamp: str) -> str | None:
        mark, since = part.mark, self._span.since
        if mark["stamp"] != stamp:
            return "has changed"
        if mark.get("columns") != self._columns:
            return "is read with other columns"
        if since is None:
            return None
        begun = mark.get("since")
        further = begun is not None and below(since, begun, self._kind)
        reached = part.rows > 0 and ("watermark" not in mark or reaches(part, since))
        return "" if further or reached else None

    def _again(self, part: Landed) -> Bounds | None:
        """The bounds that a part had; where it went to the file's end, up to what is asked."""
        mark, until = part.mark, part.mark.get("until")
        asked = self._span.until
        if until is None and asked is not None and "watermark" in mark:
            until = asked if not below(asked, str(mark["watermark"]), self._kind) else None
        above = mark.get("above")
        return self._bounds(None if above is not None else self._since, above, until)

    def _bounds(
        self, since: str | None = None, above: str | None = None, until: str | None = None
    ) -> Bounds | None:
        return None if self._column is None else Bounds(self._column, since, above, until)

    def _refuse_another(self, part: Landed) -> None:
        mark = part.mark
        cut = any(mark.get(name) is not None for name in ("since", "above", "until"))
        if cut and mark["by"] != self._column:
            raise UsageError(
                f"what landed was cut by {mark['by']}, and data.table.watermark is {self._column}",
                hint="give data.name another name, or remove the folder",
            )
