"""A schema registry over HTTP: what producers and consumers use of Confluent's interface."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastavro


class Registry:
    """Schemas by their ids, and the versions of each subject; `login` is asked for where set."""

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, list[int]] = {}
        self.login: str | None = None
        self.failing = 0  # answers of 503 that are to come
        self.url = ""

    def register(self, subject: str, schema: dict[str, Any], **more: Any) -> int:
        """The id of a schema, a new one where it is new."""
        number = len(self.schemas) + 1
        self.schemas[number] = {"schema": json.dumps(schema), **more}
        self.subjects.setdefault(subject, []).append(number)
        return number

    def record(self, number: int, row: dict[str, Any], **names: Any) -> bytes:
        """A record as it stands in a topic."""
        schema = fastavro.parse_schema(json.loads(self.schemas[number]["schema"]), **names)
        content = io.BytesIO()
        fastavro.schemaless_writer(content, schema, row)
        return b"\0" + number.to_bytes(4, "big") + content.getvalue()

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and body of a GET."""
        if self.failing:
            self.failing -= 1
            return 503, {"error_code": 50003, "message": "try again"}
        parts = path.strip("/").split("/")
        if parts[:2] == ["schemas", "ids"] and int(parts[2]) in self.schemas:
            return 200, self.schemas[int(parts[2])]
        if parts[0] == "subjects" and parts[1] in self.subjects:
            number = self.subjects[parts[1]][int(parts[3]) - 1]
            return 200, {"subject": parts[1], "id": number, **self.schemas[number]}
        return 404, {"error_code": 40403, "message": "Schema not found"}


@contextmanager
def registry() -> Iterator[Registry]:
    """One that answers over HTTP at its `url`."""
    kept = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            login = base64.b64encode((kept.login or "").encode()).decode()
            if kept.login and self.headers.get("Authorization") != f"Basic {login}":
                self._say(401, {"error_code": 401, "message": "Unauthorized"})
            else:
                self._say(*kept.answer(self.path))

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            subject = self.path.strip("/").split("/")[1]
            self._say(200, {"id": kept.register(subject, json.loads(asked["schema"]))})

        def _say(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
