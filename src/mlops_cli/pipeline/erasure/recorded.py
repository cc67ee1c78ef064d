"""What was predicted for the subject, and what came of it: `monitoring/` by day."""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlops_cli.config.paths import LABELS, PREDICTIONS
from mlops_cli.config.project import Project
from mlops_cli.pipeline.dvc_data import md5_of
from mlops_cli.pipeline.erasure.base import Found, Place, Search, Subject
from mlops_cli.pipeline.erasure.tables import rewrite, table_task
from mlops_cli.serving.contract import HASH_KEY, HMAC, SHA256
from mlops_cli.tables.without_rows import is_value

_BATCH = 65_536
_SEALED = (
    "it has HMACs of {} that only the server's key tells apart: set "
    + HASH_KEY
    + " to it, and run "
    "this command again; of a key that is lost nobody can tell whose rows they are"
)
Request = tuple[str, int | None]


class RecordedRows:
    """The collected log and labels: by the event's id or inputs, labels also by the request."""

    def names(self, project: Project) -> list[str]:
        """See `Place.names`."""
        to = project.config.serve.log.to if project.config.serve.log else None
        return [PREDICTIONS, LABELS, *([f"segments uploaded to {to}"] if to else [])]

    def find(self, search: Search) -> list[Found]:
        """See `Place.find`."""
        root, key = search.project.root, os.environ.get(HASH_KEY, "").encode()
        asked = _Asked(search.subject, key)
        if search.subject.column in search.project.config.data.id.columns:
            search.known = True
        requests: set[Request] = set()
        found = []
        for name, by in ((PREDICTIONS, None), (LABELS, requests)):
            for file in sorted((root / name).glob("date=*/*.parquet")):
                numbers = asked.numbers(file, by, requests)
                if len(numbers):
                    path = file.relative_to(root).as_posix()
                    task = {**table_task(numbers), "file": path, "md5": md5_of(file)}
                    found.append(Found(name, len(numbers), task))
        if asked.sealed:
            found.append(Found(PREDICTIONS, 0, None, _SEALED.format(search.subject.column)))
        log = search.project.config.serve.log
        if log is not None and log.to is not None:
            why = "segments that were uploaded are not rewritten: erase the subject there"
            found.append(Found(f"segments at {log.to}", 0, None, why))
        return found

    def erase(self, project: Project, task: Mapping[str, Any]) -> None:
        """See `Place.erase`."""
        rewrite(project, task)


def open_place() -> Place:
    """The place."""
    return RecordedRows()


class _Asked:
    """How a line of the log may name the subject: as it is, or as the digest that was asked.

    `sealed`: a line has an HMAC of the column, and there is no key to tell whose.
    """

    def __init__(self, subject: Subject, key: bytes) -> None:
        self._column, self._value = subject.column, subject.value
        name = re.escape(json.dumps(self._column, ensure_ascii=False))
        self._seal = None if key else f'{name}: ?"{HMAC}'
        self.sealed = False
        said: list[str | int | float] = [subject.value]
        for number in (int, float):
            try:
                said.append(number(subject.value))
            except ValueError:
                continue
        written = [msgspec.json.encode(value) for value in said]
        self._digests = {f"{SHA256}{sha256(text).hexdigest()}" for text in written}
        if key:
            self._digests |= {f"{HMAC}{hmac.new(key, t, 'sha256').hexdigest()}" for t in written}
        plain = json.dumps(subject.value.strip(), ensure_ascii=False)[1:-1]
        self._texts = [plain, *self._digests]

    def numbers(
        self, file: Path, by: set[Request] | None, requests: set[Request]
    ) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The numbers of the rows of the subject, or of those requests; new requests are added."""
        numbers: list[int] = []
        start = 0
        with pq.ParquetFile(file, pre_buffer=False) as rows:
            names = [
                n for n in ("id", "inputs", "request_id", "row") if n in rows.schema_arrow.names
            ]
            for batch in rows.iter_batches(_BATCH, columns=names):
                for i in self._in(batch, by):
                    numbers.append(start + i)
                    request = batch.column("request_id")[i].as_py()
                    if by is None and request is not None:
                        requests.add((request, batch.column("row")[i].as_py()))
                start += batch.num_rows
        return np.array(sorted(numbers), np.int64)

    def _in(self, batch: pa.RecordBatch, by: set[Request] | None) -> Iterator[int]:
        maybe = pa.array([False] * batch.num_rows)
        for name in ("id", "inputs"):
            if self._seal and not self.sealed and name in batch.schema.names:
                found = pc.match_substring_regex(batch.column(name), self._seal)
                self.sealed = bool(pc.any(found).as_py())
            for text in self._texts if name in batch.schema.names else ():
                has = pc.match_substring(batch.column(name), text).fill_null(False)
                maybe = pc.or_(maybe, has)
        if by:
            ids = pa.array(sorted({request for request, _ in by}), pa.string())
            maybe = pc.or_(maybe, pc.is_in(batch.column("request_id"), ids))
        for i in np.flatnonzero(np.asarray(maybe)).tolist():
            if self._names(batch, i) or (by and self._of_request(batch, i, by)):
                yield i

    def _names(self, batch: pa.RecordBatch, i: int) -> bool:
        for name in ("id", "inputs"):
            text = batch.column(name)[i].as_py() if name in batch.schema.names else None
            try:
                said = json.loads(text) if text else None
            except ValueError:
                continue
            found = said.get(self._column) if isinstance(said, dict) else None
            if is_value(found, self._value) or found in self._digests:
                return True
        return False

    @staticmethod
    def _of_request(batch: pa.RecordBatch, i: int, by: set[Request]) -> bool:
        request, row = batch.column("request_id")[i].as_py(), batch.column("row")[i].as_py()
        return any(r == request and (row is None or n is None or n == row) for r, n in by)
