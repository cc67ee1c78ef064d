"""One request in the prediction log that was collected: what was asked, and what was said."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.monitoring.collected.recorded import recorded_predictions
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.serving.entry import vector
from mlops_cli.serving.log import in_sample
from mlops_cli.serving.requests import RequestError
from mlops_cli.tables import open_engine


class Line(msgspec.Struct, frozen=True):
    """A row of a request, as the log has it, but for the API key; see `serving.log`.

    `prediction` is null where the model failed, `error` what its fault was then.
    """

    time: str
    request_id: str
    row: int
    id: Mapping[str, Any]
    model: str
    version: str
    variant: str
    inputs: Mapping[str, Any]
    features: str | None
    prediction: Mapping[str, Any] | None
    ms: float
    error: str | None


def lines_of(project: Project, request_id: str) -> list[Line]:
    """The lines of a request, in order; none where the log has none.

    Raises `UsageError` where no log was collected yet.
    """
    store = recorded_predictions(project.root)
    if not store.days():
        raise UsageError("no prediction log was collected", hint="mlops collect")
    moment = "strftime(time, '%Y-%m-%dT%H:%M:%S.%fZ')"
    names = ", ".join(moment if n == "time" else n for n in Line.__struct_fields__)
    sql = f"select {names} from {store.relation()} where request_id = $id order by time, row"
    with open_engine(temporary=project.temporary) as engine:
        found = engine.rows(sql, {"id": request_id})
    return [_line(dict(zip(Line.__struct_fields__, row, strict=True))) for row in found]


def not_logged(project: Project, request_id: str) -> UsageError:
    """Why the log has no such request, as far as that can be told."""
    log = project.config.serve.log
    if log is not None and not in_sample(request_id.encode(), log.sample):
        why = f"it is not in the sample that is kept (serve.log.sample: {log.sample:g})"
        return UsageError(f"the prediction log has no request {request_id}: {why}")
    return UsageError(
        f"the prediction log that was collected has no request {request_id}",
        hint="`mlops collect` brings what came since; monitor.keep says how long it stays",
    )


def row_features(bundle: Bundle, lines: Sequence[Line]) -> list[list[float | None]] | None:
    """The features of each line, made again from its inputs; null is a missing value.

    None where they are not those of which the log has the digest: it does not keep all that was
    sent. What was not sent and what was left out look alike, and the digest tells.
    """
    encoder, found = RowEncoder(bundle.manifest, bundle.trees()), []
    for line in lines:
        try:
            row = encoder.row(line.inputs)
        except RequestError:
            return None
        if line.features not in (None, hashlib.sha256(vector(row)).hexdigest()):
            return None
        found.append([None if math.isnan(v) else v for v in row])
    return found


def _line(row: dict[str, Any]) -> Line:
    """The parts that are JSON are text in the store."""
    for name in ("id", "inputs", "prediction"):
        row[name] = msgspec.json.decode(row[name]) if row[name] is not None else None
    return Line(**row | {"id": row["id"] or {}, "inputs": row["inputs"] or {}})
