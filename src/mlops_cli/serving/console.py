"""The server's own few lines on standard error: as text, or as JSON with the field names of ECS.

https://www.elastic.co/docs/reference/ecs
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, get_args

LogFormat = Literal["text", "json"]
FORMATS: tuple[LogFormat, ...] = get_args(LogFormat)
ECS = "8.11.0"  # whose field names these are
_NAME = "mlops_cli.serving"


class EcsFormatter(logging.Formatter):
    """Each record is one line of JSON; a fault's traceback stands in `error.stack_trace`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, in ASCII, without its end."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "@timestamp": at.replace("+00:00", "Z"),
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            "ecs.version": ECS,
            "log.logger": record.name,
            "process.pid": record.process,
        }
        if (trace := getattr(record, "trace", None)) is not None:
            fields |= {"trace.id": trace.trace_id, "span.id": trace.span_id}
        if record.exc_info and record.exc_info[0] is not None:
            fields["error.type"] = record.exc_info[0].__name__
            fields["error.message"] = str(record.exc_info[1])
            fields["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(fields)


class Console:
    """Sets up the process' logging in one form, and writes lines that are no fault's in the same.

    A full disk, or nobody who reads, ends no server.
    """

    def __init__(self, form: LogFormat) -> None:
        self._ecs = EcsFormatter() if form == "json" else None
        handler = logging.StreamHandler()
        handler.setFormatter(self._ecs or _text())
        logging.basicConfig(handlers=[handler])
        if self._ecs is not None:
            logging.captureWarnings(True)
            sys.excepthook = _last_words

    def say(self, line: str, *, error: bool = False) -> None:
        """Write a line, of whatever level the loggers are."""
        if self._ecs is not None:
            level = logging.ERROR if error else logging.INFO
            line = self._ecs.format(logging.LogRecord(_NAME, level, "", 0, line, None, None))
        with suppress(OSError):
            os.write(sys.stderr.fileno(), f"{line}\n".encode(errors="replace"))


def _text() -> logging.Formatter:
    formatter = logging.Formatter("%(asctime)sZ %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    return formatter


def _last_words(
    kind: type[BaseException], fault: BaseException, trace: TracebackType | None
) -> None:
    """In place of the traceback that Python prints."""
    logging.getLogger(_NAME).critical("the server ended", exc_info=(kind, fault, trace))
