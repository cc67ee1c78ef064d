"""Ask a deployed service to predict and explain: `/v1/explain`, which its log does not keep."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mlops_cli._poll import wait_until
from mlops_cli.errors import EnvironmentFault, GateError, UsageError
from mlops_cli.serving.contract import EXPLAIN
from mlops_cli.serving.predictions import Prediction

KEY = "MLOPS_API_KEY"  # the variable that holds the key, where the service asks for one
_BATCH = 50  # events of a request: each may cost tens of milliseconds
_TIMEOUT = 60.0  # seconds
_PATIENCE = 30.0  # seconds in which an overloaded service is asked again
_SHOWN = 300


class _Answer(msgspec.Struct, frozen=True):
    version: str
    predictions: list[dict[str, Any]]


class _Fault(msgspec.Struct, frozen=True):
    message: str = ""
    row: int | None = None


class _Refusal(msgspec.Struct, frozen=True):
    error: _Fault


def explanations(
    url: str, version: str, events: Sequence[Mapping[str, Any]], names: Sequence[str], key: str = ""
) -> Iterator[Prediction]:
    """What the service at `url` answers to each event, its `features` beside the prediction.

    Raises `EnvironmentFault` where it does not answer, or by another version; `UsageError` where
    it wants a key with the scope `explain`; `GateError` with the row's name where it refuses one.
    """
    at = urlsplit(url)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    with closing(kind(at.hostname or "", at.port, timeout=_TIMEOUT)) as connection:
        for start in range(0, len(events), _BATCH):
            body = msgspec.json.encode(events[start : start + _BATCH])
            status, said = _ask(connection, url, body, key)
            if status != HTTPStatus.OK:
                raise _refused(url, status, said, names[start : start + _BATCH])
            answer = msgspec.json.decode(said, type=_Answer)
            if answer.version != version or not all("features" in p for p in answer.predictions):
                raise EnvironmentFault(
                    f"{url} answers by {answer.version}, and {version} of this release was asked",
                    hint="deploy again: mlops deploy",
                )
            yield from answer.predictions


def _ask(
    connection: http.client.HTTPConnection, url: str, body: bytes, key: str
) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    found = (0, b"")

    def look() -> bool:
        nonlocal found
        connection.request("POST", EXPLAIN, body, headers)
        response = connection.getresponse()
        found = response.status, response.read()
        return found[0] != HTTPStatus.SERVICE_UNAVAILABLE

    try:
        wait_until(look, seconds=_PATIENCE, step=1.0)
    except (OSError, http.client.HTTPException) as e:
        raise EnvironmentFault(
            f"{url} does not answer: {str(e)[:_SHOWN] or type(e).__name__}", hint="mlops logs"
        ) from e
    return found


def _refused(url: str, status: int, said: bytes, names: Sequence[str]) -> Exception:
    try:
        fault = msgspec.json.decode(said, type=_Refusal).error
    except msgspec.DecodeError:
        fault = _Fault(said[:_SHOWN].decode(errors="replace"))
    why = fault.message[:_SHOWN]
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return UsageError(
            f"{url} wants a key: {why}",
            hint=f"mlops keys add parity --scope explain; then {KEY}=KEY mlops parity",
        )
    if status == HTTPStatus.UNPROCESSABLE_ENTITY and fault.row is not None:
        return GateError(f"the service refuses {names[fault.row]}, which training takes: {why}")
    return EnvironmentFault(f"{url} answers with {status}: {why}", hint="mlops logs")
