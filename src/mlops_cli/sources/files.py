"""Files in a folder, by a pattern, or in object storage: one part for each."""

from __future__ import annotations

import fnmatch
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from mlops_cli.config.sections.source import FILES
from mlops_cli.errors import DataError, EnvironmentFault, MlopsError, UsageError
from mlops_cli.sources.base import Landed, Part, Report, Source, Span
from mlops_cli.sources.drivers import open_bucket
from mlops_cli.sources.json_lines import fault_of, table_of
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW, quote

_ENDINGS = (*FILES, ".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")
_WILD = re.compile(r"[*?\[]")
_BATCH = 131_072
_LINES = 50_000
_PARTITION = re.compile(r"([^/=]+)=([^/]*)")


class Place(Protocol):
    """Where files are."""

    def stamps(self) -> Mapping[str, str]:
        """What tells that a file has changed, by its name, which is relative."""

    def fetch(self, name: str, folder: Path) -> Path:
        """The file on this machine; a copy is put into `folder`."""


def open_source(source: str, root: Path) -> Source:
    """See `sources.open_source`."""
    scheme, found, rest = source.partition("://")
    if found:
        return _Files(source, _Storage(scheme, rest))
    return _Files(source, _Folder(root, source))


class _Files:
    """`Source`: a part for each file; one that changed takes its part's place."""

    def __init__(self, name: str, place: Place) -> None:
        self._name, self._place = name, place
        self._stamps: Mapping[str, str] | None = None

    def obsolete(self, landed: Sequence[Landed], span: Span) -> list[int]:
        """See `Source.obsolete`: the parts of files that are gone."""
        if span.since or span.until:
            raise UsageError("files have no --since and --until", hint="choose them by a pattern")
        there = self._there()
        return [part.number for part in landed if part.mark.get("file") not in there]

    def parts(
        self, landed: Sequence[Landed], schema: pa.Schema | None, span: Span, report: Report
    ) -> Iterator[Part]:
        """See `Source.parts`."""
        del span
        known = {part.mark["file"]: part for part in landed}
        with tempfile.TemporaryDirectory() as folder:
            for name, stamp in self._there().items():
                part = known.get(name)
                if part is not None and part.mark["stamp"] == stamp:
                    continue
                if part is not None:
                    report.remarks.append(f"{name} has changed: its rows are replaced")
                file = self._place.fetch(name, Path(folder))
                batches = _with_partitions(
                    _there_still(_batches(file, name, schema), file, name), name
                )
                number = part.number if part is not None else None
                yield Part(batches, {"file": name, "stamp": stamp}, number, keeps_mark=True)
                if file.parent == Path(folder):
                    file.unlink()

    def close(self) -> None:
        """See `Source.close`."""

    def _there(self) -> Mapping[str, str]:
        if self._stamps is None:
            self._stamps = self._place.stamps()
            if not self._stamps:
                raise UsageError(
                    f"{self._name} matches no file",
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


def _is_read(name: str) -> bool:
    parts = Path(name).parts
    hidden = any(part.startswith((".", "_")) for part in parts if part not in ("..", "."))
    return name.lower().endswith(_ENDINGS) and not hidden


def _batches(file: Path, name: str, schema: pa.Schema | None) -> Iterator[pa.RecordBatch]:
    lower = name.lower()
    if lower.endswith(_PARQUET):
        return _of_parquet(file, name)
    if lower.endswith(FILES):
        return _of_csv(file)
    return _of_json(file, name, schema)


def _there_still(
    batches: Iterator[pa.RecordBatch], file: Path, name: str
) -> Iterator[pa.RecordBatch]:
    """The batches; raises `EnvironmentFault` where the file went away while it was read."""
    try:
        yield from batches
    except (OSError, MlopsError) as e:
        if file.exists():
            raise
        raise EnvironmentFault(
            f"{name} is gone since it was listed", hint="mlops ingest looks again, and goes on"
        ) from e


def _of_parquet(file: Path, name: str) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(file) as parquet:
            yield from parquet.iter_batches(_BATCH)
    except (OSError, pa.ArrowException) as e:
        said = " ".join(str(e).split())[:200]
        raise DataError(f"{name} cannot be read: {said}", hint="bring the file again") from e


def _of_csv(file: Path) -> Iterator[pa.RecordBatch]:
    with open_engine() as engine:
        forms = {c.name: c.type for c in engine.columns(file) if c.type is not None}
        names = ", ".join(map(quote, forms))
        yield from engine.batches(f"select {names} from {engine.typed(file, forms)} order by {ROW}")


def _of_json(file: Path, name: str, schema: pa.Schema | None) -> Iterator[pa.RecordBatch]:
    lines: list[bytes] = []
    with file.open("rb") as content:
        for number, line in enumerate(content, 1):
            if not line.strip():
                continue
            if fault := fault_of(line):
                raise DataError(f"{name}, line {number}: {fault}", hint="one JSON object a line")
            lines.append(line)
            if len(lines) == _LINES:
                table = table_of(lines, schema, f"the lines of {name}")
                schema, lines = schema or table.schema, []
                yield from table.to_batches()
    if lines:
        yield from table_of(lines, schema, f"the lines of {name}").to_batches()


def _with_partitions(batches: Iterator[pa.RecordBatch], name: str) -> Iterator[pa.RecordBatch]:
    """The batches with the columns that folders such as `month=01` stand for."""
    found = dict(_PARTITION.findall(str(Path(name).parent)))
    for batch in batches:
        for column, text in found.items():
            if column not in batch.schema.names:
                batch = batch.append_column(column, _constant(text, batch.num_rows))
        yield batch


def _constant(text: str, rows: int) -> pa.Array:
    if re.fullmatch(r"-?\d{1,18}", text):  # 01 beside 10: a number, whatever it is filled with
        return pa.array([int(text)] * rows, pa.int64())
    missing = text in ("", "__HIVE_DEFAULT_PARTITION__")
    return pa.array([None if missing else text] * rows, pa.string())
