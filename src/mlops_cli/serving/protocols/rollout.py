"""`/v1/admin/rollout`: what the workers do between two versions, and what both have answered."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from mlops_cli.serving.requests import RequestError
from mlops_cli.serving.rollouts.change import Changes
from mlops_cli.serving.routes import JSON, Answer, Request, Route

PATH = "/v1/admin/rollout"
_NULL = msgspec.Raw(b"null")


class _Put(msgspec.Struct, forbid_unknown_fields=True):
    document: msgspec.Raw
    after: int | None = None


_read = msgspec.json.Decoder(_Put).decode


class RolloutPages:
    """Its handlers, for who has the control secret or a key for admin."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def routes(self) -> list[Route]:
        """The table."""
        methods = {"GET": self.show, "PUT": self.put}
        return [Route(PATH, methods, "admin", asks_model=False, control=True)]

    async def show(self, _: Request) -> Answer:
        """The document and the tallies, over all workers."""
        board = self._changes.board
        text, document = self._changes.current()
        traffic = document.traffic if document is not None else None
        content = {
            "boot": board.boot,
            "now": datetime.now(UTC),
            "document": msgspec.Raw(text) if text else None,
            "tallies": board.tallies.of(traffic.salt) if traffic is not None else [],
        }
        return 200, msgspec.json.encode(content), JSON

    async def put(self, request: Request) -> Answer:
        """Another document, or none; answered when every worker obeys."""
        try:
            asked = _read(request.body)
        except msgspec.ValidationError as e:
            said = f'the body must be {{"after": null, "document": {{...}}}}: {str(e)[:200]}'
            raise RequestError(422, said) from e
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as e:
            raise RequestError(400, f"the body is not JSON that can be read: {str(e)[:200]}") from e
        text = bytes(asked.document)
        await self._changes.put(None if text == bytes(_NULL) else text, asked.after)
        return await self.show(request)
