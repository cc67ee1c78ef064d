"""Golden rows over HTTP: what a started image answers must be what training predicted."""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from mlops_cli.bundle.manifest import GOLDEN
from mlops_cli.bundle.reader import Bundle, GoldenRow
from mlops_cli.errors import EnvironmentFault
from mlops_cli.serving.contract import PREDICT, READY
from mlops_cli.serving.golden import difference

_BATCH = 100  # rows of one request
_ANSWER_LIMIT = 60.0  # seconds


class _Answer(msgspec.Struct):
    version: str
    predictions: list[dict[str, Any]]


def is_ready(host: str, port: int) -> bool:
    """Whether a server there says that it is ready."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", READY)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def replay_over_http(
    bundle: Bundle, host: str, port: int, *, on_row: Callable[[int], None] = lambda _: None
) -> int:
    """Post every golden row, in bounded batches, and compare; returns how many there were.

    Raises `EnvironmentFault` naming the first row (from 1, as in the file) and the field that
    differ by more than the tolerance of `serving.golden`.
    """
    n = 0
    for batch in _batches(bundle):
        answer = _post(host, port, [row.inputs for row in batch])
        if answer.version != bundle.version or len(answer.predictions) != len(batch):
            raise golden_fault(f"{answer.version} answered {len(answer.predictions)} predictions")
        for row, found in zip(batch, answer.predictions, strict=True):
            n += 1
            if field := difference(bundle.manifest, row.prediction, found):
                raise golden_fault(f"row {n} of {bundle.path / GOLDEN}: {field}")
        on_row(n)
    return n


def _batches(bundle: Bundle) -> Iterator[list[GoldenRow]]:
    rows = bundle.golden()
    while batch := list(itertools.islice(rows, _BATCH)):
        yield batch


def _post(host: str, port: int, events: list[Any]) -> _Answer:
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_LIMIT)
    try:
        body = msgspec.json.encode(events)
        connection.request("POST", PREDICT, body, {"content-type": "application/json"})
        response = connection.getresponse()
        said = response.read()
        if response.status != http.HTTPStatus.OK:
            raise golden_fault(f"status {response.status}: {said[:300].decode(errors='replace')}")
        return msgspec.json.decode(said, type=_Answer)
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as e:
        raise golden_fault(f"no answer: {e}") from e
    finally:
        connection.close()


def golden_fault(what: str) -> EnvironmentFault:
    """The error that an image computes something else than training did."""
    return EnvironmentFault(
        f"the image does not reproduce training's predictions: {what}",
        hint="see requirements.txt of the bundle and package.base: what serves must compute "
        "what training did",
    )
