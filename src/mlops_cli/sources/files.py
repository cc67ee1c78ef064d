"""Files in a folder, by a pattern, or in object storage: one part for each."""

from __future__ import annotations

import fnmatch
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from mlops_cli.config.sections.source import FILES, FilesSource
from mlops_cli.errors import EnvironmentFault, MlopsError, UsageError
from mlops_cli.sources.base import Landed, Part, Report, Source, Span
from mlops_cli.sources.drivers import open_bucket
from mlops_cli.sources.rows import Rows
from mlops_cli.sources.windows import Windows

_ENDINGS = (*FILES, ".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")
_WILD = re.compile(r"[*?\[]")


class Place(Protocol):
    """Where files are."""

    def stamps(self) -> Mapping[str, str]:
        """What tells that a file has changed, by its name, which is relative."""

    def fetch(self, name: str, folder: Path) -> Path:
        """The file on this machine; a copy is put into `folder`."""

    def opened(self, name: str) -> Any:
        """The file on this machine, or what is read as one, in pieces."""

    def lost(self, name: str) -> bool:
        """Whether a file that was listed is known to be gone."""


def open_source(source: FilesSource, root: Path) -> Source:
    """See `sources.open_source`."""
    if source.columns and source.watermark and source.watermark not in source.columns:
        raise UsageError(
            f"data.table.columns leaves {source.watermark!r} out, which is data.table.watermark",
            hint="name it among them",
        )
    scheme, found, rest = source.files.partition("://")
    return _Files(source, _Storage(scheme, rest) if found else _Folder(root, source.files))


class _Files:
    """`Source`: a part for each file; one that changed takes its part's place.

    With a watermark a file may have several, each within bounds of its own, which it keeps.
    """

    def __init__(self, source: FilesSource, place: Place) -> None:
        self._source, self._place = source, place
        self._stamps: Mapping[str, str] | None = None

    def obsolete(self, landed: Sequence[Landed], span: Span) -> list[int]:
        """See `Source.obsolete`: the parts of files that are gone."""
        if self._source.watermark is None and (span.since or span.until):
            raise UsageError(
                "--since and --until of files need a column to go by",
                hint="data.table: {files: PATH, watermark: COLUMN}; or choose them by a pattern",
            )
        there = self._there()
        return [part.number for part in landed if part.mark.get("file") not in there]

    def parts(
        self, landed: Sequence[Landed], schema: pa.Schema | None, span: Span, report: Report
    ) -> Iterator[Part]:
        """See `Source.parts`."""
        windows, unmarked = Windows(self._source, landed, span), 0
        with tempfile.TemporaryDirectory() as folder:
            for name, stamp in self._there().items():
                for window in windows.of(name, stamp):
                    if window.why:
                        report.remarks.append(f"{name} {window.why}: its rows are replaced")
                    rows = Rows(window, self._source.columns, schema)
                    yield rows.part(
                        _there_still(self._batches(rows, Path(folder)), self._place, name)
                    )
                    unmarked += rows.unmarked
        if unmarked:
            without = f"have no {self._source.watermark} and are not brought"
            report.remarks.append(f"{unmarked} rows {without}")

    def _batches(self, rows: Rows, folder: Path) -> Iterator[pa.RecordBatch]:
        if not rows.may_be:
            return
        lower = rows.name.lower()
        if lower.endswith(_PARQUET) and rows.in_pieces:
            yield from rows.of_parquet(self._place.opened(rows.name))
            return
        file = self._place.fetch(rows.name, folder)
        try:
            if lower.endswith(_PARQUET):
                yield from rows.of_parquet(file)
            else:
                yield from rows.of_text(file)
        finally:
            if file.parent == folder:
                file.unlink()

    def close(self) -> None:
        """See `Source.close`."""

    def _there(self) -> Mapping[str, str]:
        if self._stamps is None:
            self._stamps = self._place.stamps()
            if not self._stamps:
                raise UsageError(
                    f"{self._source.files} matches no file",
                    hint=f"files that are read end in {', '.join(_ENDINGS)}",
                )
        return self._stamps


class _Folder:
    """A folder or a pattern on this machine."""

    def __init__(self, root: Path, pattern: str) -> None:
        self._root = root
        path = root / pattern
        if path.is_file():
            self._files = [path]
        elif path.is_dir():
            self._files = sorted(path.rglob("*"))
        else:
            self._files = sorted(root.glob(pattern))

    def stamps(self) -> Mapping[str, str]:
        """See `Place.stamps`."""
        found = {}
        for file in self._files:
            name = str(file.relative_to(self._root))
            if _is_read(name) and file.is_file():
                stat = file.stat()
                found[name] = f"{stat.st_size}-{stat.st_mtime_ns}"
        return found

    def fetch(self, name: str, folder: Path) -> Path:
        """See `Place.fetch`."""
        del folder
        return self._root / name

    def opened(self, name: str) -> Path:
        """See `Place.opened`."""
        return self._root / name

    def lost(self, name: str) -> bool:
        """See `Place.lost`."""
        return not (self._root / name).exists()


class _Storage:
    """A bucket, by URL."""

    def __init__(self, scheme: str, rest: str) -> None:
        whole, tail = rest.rstrip("/"), ""
        if found := _WILD.search(whole):
            cut = whole.rfind("/", 0, found.start())
            whole, tail = whole[:cut], whole[cut + 1 :]
        elif _is_read(whole):
            whole, _, tail = whole.rpartition("/")
        self._store: Any = open_bucket(f"{scheme}://{whole}")
        self._pattern = tail

    def stamps(self) -> Mapping[str, str]:
        """See `Place.stamps`."""
        found: Mapping[str, str] = self._store.stamps()
        return {
            name: stamp
            for name, stamp in found.items()
            if _is_read(name) and (not self._pattern or fnmatch.fnmatch(name, self._pattern))
        }

    def fetch(self, name: str, folder: Path) -> Path:
        """See `Place.fetch`."""
        file = folder / Path(name).name
        self._store.get(name, file)
        return file

    def opened(self, name: str) -> Any:
        """See `Place.opened`."""
        return self._store.opened(name)

    def lost(self, name: str) -> bool:
        """See `Place.lost`: reading one that is gone says so itself."""
        del name
        return False


def _is_read(name: str) -> bool:
    parts = Path(name).parts
    hidden = any(part.startswith((".", "_")) for part in parts if part not in ("..", "."))
    return name.lower().endswith(_ENDINGS) and not hidden


def _there_still(
    batches: Iterator[pa.RecordBatch], place: Place, name: str
) -> Iterator[pa.RecordBatch]:
    """The batches; raises `EnvironmentFault` where the file went away while it was read."""
    try:
        yield from batches
    except (OSError, MlopsError) as e:
        if not place.lost(name):
            raise
        raise EnvironmentFault(
            f"{name} is gone since it was listed", hint="mlops ingest looks again, and goes on"
        ) from e
