"""Feedback: labels for what was predicted, one or a list of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from mlops_cli.serving.contract import FEEDBACK
from mlops_cli.serving.labels import AHEAD, Label, LabelLog, label_text
from mlops_cli.serving.requests import MAX_OBJECTS, RequestError
from mlops_cli.serving.routes import JSON, Answer, Request, Route
from mlops_cli.serving.versions import Versions

_one = msgspec.json.Decoder(Label).decode
_many = msgspec.json.Decoder(list[Label]).decode
_AT = re.compile(r"\$(?:\[(\d+)\])?(?:\.(\w+))?")
_RETRY = ((b"retry-after", b"1"),)


class Feedback:
    """Its handler; a label must be one that the default version could have predicted."""

    def __init__(self, versions: Versions, labels: LabelLog) -> None:
        self._versions = versions
        self._labels = labels

    def routes(self) -> list[Route]:
        """The table."""
        return [Route(FEEDBACK, {"POST": self.keep}, "feedback", asks_model=False)]

    async def keep(self, request: Request) -> Answer:
        """Answered when they are on disk."""
        labels, listed = _decoded(request.body)
        model, latest = self._versions.default.bundle.manifest, datetime.now(UTC) + AHEAD
        texts = []
        for i, label in enumerate(labels):
            row = i if listed else None
            if label.time is not None and label.time > latest:
                raise RequestError(422, "time is to come", field="time", row=row)
            try:
                texts.append(label_text(model, label.label))
            except ValueError as e:
                raise RequestError(422, f"label: {e}", field="label", row=row) from e
        if not await self._labels.keep(labels, texts):
            said = "labels cannot be written now: come again"
            raise RequestError(503, said, headers=_RETRY)
        return 200, msgspec.json.encode({"labels": len(labels)}), JSON


def _decoded(body: bytes) -> tuple[list[Label], bool]:
    """The labels, and whether the body is a list of them."""
    listed = body.lstrip(b" \t\r\n")[:1] == b"["
    if body.count(b"{") > MAX_OBJECTS:
        raise RequestError(413, f"the list holds more than {MAX_OBJECTS} labels: send fewer")
    try:
        labels = _many(body) if listed else [_one(body)]
    except msgspec.ValidationError as e:
        said, _, at = str(e).partition(" - at `")
        match = _AT.match(at)
        row, field = (match[1], match[2]) if match else (None, None)
        raise RequestError(422, said, field=field, row=int(row) if row else None) from e
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise RequestError(400, f"the body is not JSON that can be read: {str(e)[:200]}") from e
    if not labels:
        raise RequestError(422, "the list holds no labels")
    return labels, listed
