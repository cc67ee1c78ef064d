"""A schema registry, by the HTTP interface of Confluent's, which others have, too."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mlops_cli.errors import DataError, EnvironmentFault, UsageError
from mlops_cli.redaction import redact

_SECONDS = 10.0
_TRIES = 4
_PAUSE = 0.5  # seconds, doubled from try to try
_FORM = "application/vnd.schemaregistry.v1+json, application/json"


class SchemaRegistry:
    """The registry at `url`; a login in it is sent as HTTP Basic."""

    def __init__(self, url: str) -> None:
        """Raises `UsageError` for what is no URL of http or https."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError("data.table.registry is no URL", hint="such as http://registry:8081")
        host = parts.hostname + (f":{parts.port}" if parts.port else "")
        self._url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._headers = {"Accept": _FORM}
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"

    def schema(self, number: int) -> dict[str, Any] | None:
        """The schema of that id as the registry has it: `schema`, a text, and what it refers to.

        None where it has none. Raises `EnvironmentFault` where it does not answer or refuses the
        login.
        """
        return self._asked(f"/schemas/ids/{number}")

    def version(self, subject: str, version: int) -> dict[str, Any] | None:
        """The same of a subject's version, which a schema may refer to."""
        return self._asked(f"/subjects/{quote(subject, safe='')}/versions/{version}")

    def _asked(self, path: str) -> dict[str, Any] | None:
        request = urllib.request.Request(self._url + path, headers=self._headers)  # noqa: S310  http or https, see above
        opener = urllib.request.build_opener()
        for attempt in range(_TRIES):
            try:
                with opener.open(request, timeout=_SECONDS) as answer:
                    return _object(answer.read(), self._url)
            except urllib.error.HTTPError as e:
                e.close()
                if e.code == 404:
                    return None
                if e.code < 500 and e.code != 429:
                    raise self._fault(f"answers {e.code} {e.reason}") from e
                said: Exception = e
            except (OSError, ValueError) as e:  # no connection, a time-out, a broken answer
                said = e
            if attempt < _TRIES - 1:
                time.sleep(_PAUSE * 2**attempt)
        raise self._fault(f"does not answer: {said}") from said

    def _fault(self, what: str) -> EnvironmentFault:
        return EnvironmentFault(
            redact(f"the schema registry {self._url} {what}")[:300],
            hint="check data.table.registry; mlops ingest goes on where it was",
        )


def _object(content: bytes, url: str) -> dict[str, Any]:
    found = json.loads(content)
    if not isinstance(found, dict) or "schema" not in found:
        raise DataError(f"{url} gives no schema", hint="is it a schema registry?")
    return found
