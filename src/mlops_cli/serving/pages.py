"""What a server says of itself: whether it answers, with which model, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from mlops_cli.serving.admission import Admission
from mlops_cli.serving.auth import CHALLENGE, Keys, KeyScope
from mlops_cli.serving.contract import DOCUMENT, HEALTH, METRICS, READY, TRY
from mlops_cli.serving.metrics import CONTENT_TYPE
from mlops_cli.serving.routes import JSON, Answer, Handler, Request, Route
from mlops_cli.serving.versions import Versions


class Pages:
    """The pages of one process; /readyz is 503 from the moment that `admission` drains.

    `protected`: /metrics needs a key, where there are `keys`; `rollout` are its lines of a rollout.
    """

    def __init__(
        self,
        versions: Versions,
        admission: Admission,
        *,
        protected: bool,
        keys: Keys | None = None,
        rollout: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        self._rollout = rollout
        self._keys = keys
        self._versions = versions
        self._admission = admission
        self._protected = protected

    def routes(self) -> list[Route]:
        """All of them. What tells of the model's inputs needs a key, where there are keys.

        The page for a person asks for it by itself.
        """
        pages: dict[str, Handler] = {
            HEALTH: self._health,
            READY: self._ready,
            METRICS: self._exposition,
            DOCUMENT: self._document,
            **dict.fromkeys(TRY, self._try),
        }
        scopes: dict[str, KeyScope] = {DOCUMENT: "predict"}
        if self._protected:
            scopes[METRICS] = "metrics"
        return [
            Route(path, {"GET": page}, scopes.get(path), asks_model=False, control=path == METRICS)
            for path, page in pages.items()
        ]

    async def _health(self, _: Request) -> Answer:
        return 200, b'{"status":"ok"}', JSON

    async def _ready(self, _: Request) -> Answer:
        ready, served = not self._admission.draining, self._versions.default
        state = {
            "ready": ready,
            "model": served.model,
            "version": served.version,
            "digest": served.bundle.digest,
        }
        return 200 if ready else 503, msgspec.json.encode(state), JSON

    async def _exposition(self, _: Request) -> Answer:
        exposition = self._admission.metrics.exposition(self._versions.labels(), self._rollout())
        return 200, exposition, (b"content-type", CONTENT_TYPE)

    async def _document(self, _: Request) -> Answer:
        return 200, self._versions.default.document, JSON

    async def _try(self, request: Request) -> Answer:
        page = self._versions.default.page
        if self._keys is None:
            return _shown(200, page.content, page.policy)
        if not any(name == b"authorization" for name, _ in request.headers):
            return *_shown(401, page.asks_key, page.asks_key_policy), *CHALLENGE
        self._keys.check(request.headers, "predict")
        return _shown(200, page.content, page.policy)


def _shown(status: int, content: bytes, policy: bytes) -> Answer:
    return (
        status,
        content,
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", policy),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-cache"),  # the next model has another page
    )
