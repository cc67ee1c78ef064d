"""One rollout's document after another takes effect in all workers at once, or in none."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from mlops_cli._files import stamp_of, write_bytes
from mlops_cli.serving.requests import RequestError
from mlops_cli.serving.rollouts.board import LARGEST, RolloutBoard
from mlops_cli.serving.rollouts.candidate_process import START
from mlops_cli.serving.rollouts.traffic import Document, parse_document
from mlops_cli.serving.settings import Settings
from mlops_cli.serving.turns import until

log = logging.getLogger(__name__)

Stamp = tuple[int, int, int] | None
Fault = Callable[[], "str | None"]
_PATIENCE = START + 30.0  # seconds until every worker has prepared


class Changes:
    """Brings documents: from who asks the server, and from the file, which is looked at.

    `follow` has this worker prepare what the board wants; `fault` says why it could not.
    """

    def __init__(
        self,
        board: RolloutBoard,
        file: Path | None,
        follow: Callable[[], Awaitable[None]],
        fault: Fault,
    ) -> None:
        self.board = board
        self._file = file
        self._follow = follow
        self._fault = fault
        self._stamp: Stamp = stamp_of(file) if file is not None else None

    def current(self) -> tuple[bytes, Document | None]:
        """The document that is in effect, as text and parsed."""
        text = self.board.text(self.board.current)
        return text, parse_document(text) if text else None

    async def put(self, text: bytes | None, after: int | None) -> None:
        """Have all obey a document, or none, if the one they obey has the generation `after`.

        With `after` null: if that is a lower one. Raises `RequestError`: 409 where it is not, 422
        for what is no rollout of this server, 503 where not all could follow or keep it.
        """
        document = _parsed(text) if text is not None else None
        async with self.board.turns.one("the rollout", _PATIENCE):
            _, before = self.current()
            generation = before.generation if before is not None else 0
            behind = document is not None and generation >= document.generation
            if (after is None and behind) or (after is not None and after != generation):
                raise RequestError(409, f"the rollout's generation is {generation}")
            await self._bring(text or b"", keep=lambda: self._keep(text, needed=after is not None))

    async def look(self) -> None:
        """Obey what the file says, if that is another one and of a higher generation."""
        stamp = stamp_of(self._file) if self._file is not None else None
        if self._file is None or stamp == self._stamp:
            return
        before, self._stamp = self._stamp, stamp
        if stamp is None:
            log.warning("%s is gone; what it said last stays in force", self._file)
            return
        try:
            text = self._file.read_bytes()
            document = parse_document(text)
            _, current = self.current()
            if current is None or document.generation > current.generation:
                async with self.board.turns.one("the rollout", _PATIENCE):
                    _, current = self.current()
                    if current is None or document.generation > current.generation:
                        await self._bring(text)
        except RequestError as e:
            log.error("%s: %s; what was before stays in force", self._file, e.message)
            if e.status == 503:
                self._stamp = before
        except (OSError, ValueError) as e:
            log.error("%s: %s; what was before stays in force", self._file, e)

    async def _bring(self, text: bytes, keep: Callable[[], None] = lambda: None) -> None:
        """Have every worker prepare, then keep it, then obey; where one cannot, nothing changes."""
        board = self.board
        before = board.text(board.current)
        turn = board.want(text)
        await self._follow()
        fault = self._fault()
        try:
            if fault is not None:
                raise RequestError(422, fault, field="document")
            prepared = await until(lambda: board.all_prepared(turn), _PATIENCE)
            if not prepared or board.refused(turn):
                raise RequestError(
                    503, "not every worker could follow; all do what they did before"
                )
            keep()
        except RequestError:
            board.make_current(board.want(before))
            await self._follow()
            raise
        board.make_current(turn)
        await self._follow()

    def _keep(self, text: bytes | None, *, needed: bool) -> None:
        """Write the file, so that a service that starts anew obeys, too."""
        if self._file is None:
            return
        try:
            if text is None:
                self._file.unlink(missing_ok=True)
            else:
                write_bytes(self._file, text)
            self._stamp = stamp_of(self._file)
        except OSError as e:
            if needed:
                raise RequestError(503, f"{self._file} cannot be written: {e.strerror}") from e


def open_board(settings: Settings) -> RolloutBoard:
    """What the workers of a service that starts share: with the rollout that its file tells."""
    first = _first(Path(settings.rollout)) if settings.rollout else b""
    return RolloutBoard(settings.workers, first)


def _first(file: Path) -> bytes:
    """Nothing where there is no file, or it holds no rollout."""
    with suppress(FileNotFoundError):
        try:
            text = file.read_bytes()
            parse_document(text)
            if len(text) <= LARGEST:
                return text
            log.error("%s is larger than %d bytes; there is no rollout", file, LARGEST)
        except (OSError, ValueError) as e:
            if isinstance(e, FileNotFoundError):
                raise
            log.error("%s: %s; there is no rollout", file, e)
    return b""


def _parsed(text: bytes) -> Document:
    if len(text) > LARGEST:
        raise RequestError(413, f"a rollout has at most {LARGEST} bytes")
    try:
        return parse_document(text)
    except ValueError as e:
        raise RequestError(422, str(e), field="document") from e
