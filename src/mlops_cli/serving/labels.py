"""Labels: what came of a prediction, told by its request's id, on disk before they are answered."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from mlops_cli.bundle.manifest import class_key
from mlops_cli.serving.predictions import Answering
from mlops_cli.serving.segment_writer import Done, SegmentWriter
from mlops_cli.serving.segments import LABELS
from mlops_cli.serving.settings import Log

AHEAD = timedelta(days=1)  # a clock may be wrong, but no label comes from a later day
MOST_ROWS = 2**31 - 1  # of a request

_encode = msgspec.json.Encoder().encode_lines
_BOOLEANS = {"True": "true", "False": "false", "1": "true", "0": "false"}


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is told of the rows of a request, or of one `row` of it, by `time` or now."""

    request_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    label: bool | int | float | str
    row: Annotated[int, msgspec.Meta(ge=0, le=MOST_ROWS)] | None = None
    time: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _Line(msgspec.Struct):
    time: datetime
    request_id: str
    row: int | None
    label: str
    received: datetime


class LabelLog:
    """The labels of one process; its thread begins with the first of them."""

    def __init__(self, folder: Path, settings: Log) -> None:
        self._folder = folder
        self._settings = settings
        self._writer: SegmentWriter | None = None

    async def keep(self, labels: Sequence[Label], texts: Sequence[str]) -> bool:
        """Write labels, as `label_text` has them; whether they are on disk."""
        if self._writer is None:
            self._writer = SegmentWriter(self._folder, LABELS, self._settings)
        now = datetime.now(UTC)
        lines = [
            _Line(label.time or now, label.request_id, label.row, text, now)
            for label, text in zip(labels, texts, strict=True)
        ]
        loop = asyncio.get_running_loop()
        written: asyncio.Future[bool] = loop.create_future()
        told = _teller(loop, written)
        content = _encode(lines)
        return self._writer.put([content], len(content), len(lines), told) and await written

    def close(self) -> None:
        """Close the segment."""
        if self._writer is not None:
            self._writer.close()


def label_text(model: Answering, label: object) -> str:
    """A label as it is kept: a class as a JSON key has it, or a number.

    Raises `ValueError` for what the model does not predict.
    """
    if model.classes is None:
        return _number(label)
    keys = [class_key(c) for c in model.classes]
    whole = isinstance(label, float) and label.is_integer()
    text = class_key(int(label) if whole else label)  # type: ignore[call-overload,arg-type]  # any scalar
    if text not in keys and {*keys} == {"true", "false"}:
        text = _BOOLEANS.get(text, text)
    if text not in keys and isinstance(label, str):
        text = _whole_number(label)
    if text not in keys:
        raise ValueError(f"{str(label)[:40]!r} is none of the classes {', '.join(keys)[:200]}")
    return text


def _number(label: object) -> str:
    try:
        number = float(label) if isinstance(label, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(label, bool) or not math.isfinite(number):
        raise ValueError(f"{str(label)[:40]!r} is no number")
    return repr(number)


def _whole_number(text: str) -> str:
    """As a table of floats writes a whole number: 1.0 is the class 1."""
    try:
        return str(int(float(text))) if float(text).is_integer() else text
    except (ValueError, OverflowError):
        return text


def _teller(loop: asyncio.AbstractEventLoop, future: asyncio.Future[bool]) -> Done:
    """What another thread calls with the outcome that the future waits for."""
    return lambda outcome: loop.call_soon_threadsafe(_settle, future, outcome)


def _settle(future: asyncio.Future[bool], outcome: bool) -> None:
    if not future.done():  # the client may have left
        future.set_result(outcome)
