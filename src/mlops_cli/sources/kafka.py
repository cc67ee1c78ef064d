"""The records of a topic, each once: offsets land with the rows, and no group is committed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from mlops_cli.config.sections.source import KafkaSource
from mlops_cli.errors import DataError, EnvironmentFault, UsageError
from mlops_cli.sources.base import Landed, Mark, Part, Report, Source, Span
from mlops_cli.sources.drivers import open_avro
from mlops_cli.sources.records import JsonRecords, Records
from mlops_cli.sources.variables import filled

_BATCH = 20_000  # records that are read at once
_PART = 200_000  # records of a part, about: what a kill makes be read again
_ASK = 10.0  # seconds for an answer of the brokers
_SILENT = 60.0  # seconds without a record before the end that was promised
_SHOWN = 2_000  # characters of a rejected record
_DELETED = "it has no value: its key was deleted"


def open_source(source: KafkaSource, root: Path) -> Source:
    """See `sources.open_source`."""
    del root
    records: Records = JsonRecords()
    if source.registry is not None:
        records = open_avro(filled(source.registry, "data.table.registry"))
    return _Kafka(source.kafka, filled(source.servers, "data.table.servers"), records)


class _Kafka:
    """`Source`: from the offsets that landed to the ends that the topic has now."""

    def __init__(self, topic: str, servers: str, records: Records) -> None:
        self._topic, self._taken = topic, records
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "mlops-ingest",  # asked for, and never committed to
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )

    def obsolete(self, landed: Sequence[Landed], span: Span) -> list[int]:
        """See `Source.obsolete`."""
        if span.since and landed:
            raise UsageError(
                "--since is where a topic is begun, and records have landed",
                hint="ingest it under another data.name",
            )
        return []

    def parts(
        self, landed: Sequence[Landed], schema: pa.Schema | None, span: Span, report: Report
    ) -> Iterator[Part]:
        """See `Source.parts`."""
        try:
            before = landed[-1].mark if landed else {}
            ends = self._ends(span)
            reached = self._begin(landed, span, ends)
            while any(reached[p] < end for p, end in ends.items()):
                mark: dict[str, Any] = {}
                part = self._read(reached, ends, schema, report)
                yield Part(self._marked(part, mark, reached, before), mark, keeps_mark=True)
                before = mark
            report.remarks.extend([*_told_deleted(report), *self._taken.remarks()])
        except KafkaException as e:
            raise EnvironmentFault(
                f"the brokers of {self._topic} do not answer: {e.args[0]}"[:300],
                hint="mlops ingest goes on where it was",
            ) from e

    def close(self) -> None:
        """See `Source.close`."""
        self._consumer.close()

    def _marked(
        self,
        batches: Iterator[pa.RecordBatch],
        mark: dict[str, Any],
        reached: dict[int, int],
        before: Mark,
    ) -> Iterator[pa.RecordBatch]:
        yield from batches
        mark["offsets"] = {str(p): offset for p, offset in sorted(reached.items())}
        mark.update(self._taken.mark(before))

    def _ends(self, span: Span) -> dict[int, int]:
        """The offset behind the last record of each partition, or the first one after `until`."""
        topic = self._consumer.list_topics(self._topic, timeout=_ASK).topics[self._topic]
        if topic.error is not None:
            if topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise UsageError(f"there is no topic {self._topic!r}", hint="see data.table.kafka")
            raise KafkaException(topic.error)
        ends = {p: self._marks(p)[1] for p in topic.partitions}
        if span.until:
            for p, offset in self._offsets_at(span.until, ends).items():
                ends[p] = min(ends[p], offset) if offset >= 0 else ends[p]
        return ends

    def _marks(self, partition: int) -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(
            TopicPartition(self._topic, partition), timeout=_ASK
        )
        return low, high

    def _offsets_at(self, text: str, partitions: dict[int, int]) -> dict[int, int]:
        try:
            moment = int(datetime.fromisoformat(text).timestamp() * 1000)
        except ValueError as e:
            raise UsageError(f"{text!r} is no moment", hint="such as 2013-01-31T00:00:00Z") from e
        asked = [TopicPartition(self._topic, p, moment) for p in partitions]
        return {t.partition: t.offset for t in self._consumer.offsets_for_times(asked, _ASK)}

    def _begin(self, landed: Sequence[Landed], span: Span, ends: dict[int, int]) -> dict[int, int]:
        """The next offset of each partition; raises `DataError` where retention ate it."""
        known = {int(p): int(o) for p, o in landed[-1].mark["offsets"].items()} if landed else {}
        since = self._offsets_at(span.since, ends) if span.since else {}
        reached = {}
        for p, end in ends.items():
            low = self._marks(p)[0]
            wanted = known.get(p, since.get(p, low))
            wanted = end if wanted in (OFFSET_END, -1) else wanted
            if p in known and wanted < low:
                raise DataError(
                    f"{self._topic}, partition {p}: the records from {wanted} to {low - 1} are "
                    "gone from the topic before they were ingested",
                    hint="ingest it under another data.name, from what is left",
                )
            reached[p] = max(wanted, low) if wanted != OFFSET_BEGINNING else low
        self._consumer.assign([TopicPartition(self._topic, p, o) for p, o in reached.items()])
        return reached

    def _read(
        self,
        reached: dict[int, int],
        ends: dict[int, int],
        schema: pa.Schema | None,
        report: Report,
    ) -> Iterator[pa.RecordBatch]:
        rows = 0
        while rows < _PART and any(reached[p] < end for p, end in ends.items()):
            table = self._collect(schema, reached, ends, report)
            if table is not None:
                schema = schema or table.schema
                rows += table.num_rows
                yield from table.to_batches()

    def _collect(
        self,
        schema: pa.Schema | None,
        reached: dict[int, int],
        ends: dict[int, int],
        report: Report,
    ) -> pa.Table | None:
        """The next records; `reached` goes on, and what cannot be read goes to `report`."""
        deadline = time.monotonic() + _SILENT
        taken = 0
        while not taken and any(reached[p] < end for p, end in ends.items()):
            if time.monotonic() > deadline:
                raise EnvironmentFault(
                    f"{self._topic}: no record for {_SILENT:.0f} s", hint="are the brokers up?"
                )
            messages = self._consumer.consume(_BATCH, timeout=1.0)
            table = self._at_once(messages, schema, reached, ends)
            if table is not None:
                return table
            taken = sum(self._took(message, reached, ends, report) for message in messages)
        return self._taken.table(schema, f"the records of {self._topic}")

    def _at_once(
        self,
        messages: Sequence[Message],
        schema: pa.Schema | None,
        reached: dict[int, int],
        ends: dict[int, int],
    ) -> pa.Table | None:
        """The table of all of them, if they are records of the usual kind."""
        if not messages or any(m.error() is not None for m in messages):
            return None
        asked = [TopicPartition(self._topic, p) for p in ends]
        behind = {t.partition: t.offset for t in self._consumer.position(asked) if t.offset >= 0}
        values = [m.value() for m in messages]
        if None in values or any(offset > ends[p] for p, offset in behind.items()):
            return None
        table = self._taken.at_once([v for v in values if v is not None], schema)
        if table is not None:
            reached.update({p: max(reached[p], offset) for p, offset in behind.items()})
        return table

    def _took(
        self, message: Message, reached: dict[int, int], ends: dict[int, int], report: Report
    ) -> bool:
        """Whether it is a record that can be read."""
        p, offset = message.partition() or 0, message.offset() or 0
        error = message.error()
        if error is not None or offset >= ends[p]:
            self._pass_over(p, offset, error, reached, ends)
            return False
        value = message.value()
        reason = _DELETED if value is None else self._taken.take(value)
        reached[p] = offset + 1
        if reason is not None:
            report.rejected.append(_rejected(message, reason))
        return reason is None

    def _pass_over(
        self,
        p: int,
        offset: int,
        error: KafkaError | None,
        reached: dict[int, int],
        ends: dict[int, int],
    ) -> None:
        """The end of a partition, which lies behind its control records, or what is behind it."""
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        reached[p] = max(reached[p], min(offset, ends[p]))


def _rejected(message: Message, reason: str) -> dict[str, Any]:
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "key": _text(message.key()),
        "text": _text(message.value()),
        "reason": reason,
    }


def _told_deleted(report: Report) -> Iterator[str]:
    """How many keys were deleted: a log that is only appended to keeps the rows that they had."""
    gone = [record["key"] for record in report.rejected if record["reason"] == _DELETED]
    report.deleted = len(gone)
    if gone:
        yield (
            f"{len(gone)} records say that their key was deleted, such as {gone[0]!r}: the rows "
            "that it had stay in the table, and its keys stand among the rejected"
        )


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "backslashreplace")[:_SHOWN]
