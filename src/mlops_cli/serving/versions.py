"""The versions of the model that one process answers with, and the one that is the default."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.cache import Cache, CachingBatcher
from mlops_cli.serving.contributions import Explainer, explained
from mlops_cli.serving.explain import open_explainer
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.micro_batch import MicroBatcher
from mlops_cli.serving.openapi import openapi
from mlops_cli.serving.page import Page
from mlops_cli.serving.predictions import Prediction
from mlops_cli.serving.predictor import Predictor
from mlops_cli.serving.requests import EventDecoder, RequestError
from mlops_cli.serving.split import Split

CHAMPION, CANDIDATE = "champion", "candidate"


class Version:
    """One version as answers, log and metrics name it; whoever has its model answers for it."""

    def __init__(self, bundle: Bundle, variant: str, types: Mapping[str, Any] | None) -> None:
        self.bundle = bundle
        self.model = bundle.manifest.project
        self.version = bundle.version
        self.variant = variant
        self.decoder = EventDecoder([i.name for i in bundle.manifest.inputs], types)
        # How an answer begins, up to the request's id.
        names = msgspec.json.encode({"model": self.model, "version": self.version})
        self.opening = names[:-1] + b',"request_id":"'

    @property
    def labels(self) -> dict[str, str]:
        """What `mlops_model_info` tells of it."""
        return {
            "model": self.model,
            "version": self.version,
            "digest": self.bundle.digest,
            "python": platform.python_version(),
        }


class Served(Version):
    """One version with all that stands between a request's body and its answer.

    `cache` has what the model said of rows before, and the metrics that count how often.
    """

    def __init__(
        self, bundle: Bundle, predictor: Predictor, cache: tuple[Cache, Metrics] | None = None
    ) -> None:
        super().__init__(bundle, CHAMPION, predictor.exact.types)
        self.predictor = predictor
        self.batcher = (
            CachingBatcher(predictor, bundle.digest, *cache) if cache else MicroBatcher(predictor)
        )
        self._example = next(bundle.golden()).inputs

    def explain(self, events: Sequence[Mapping[str, Any]], start: int = 0) -> list[Prediction]:
        """As `Predictor.predict`, each prediction with its contributions: see `explained`."""
        matrix = self.predictor.encode(events, start)
        predictions = self.predictor.answers(self.predictor.numbers(matrix))
        explanations = self._explainer.explain(matrix)
        return explained(self.bundle.manifest, matrix, predictions, explanations)

    @cached_property
    def _explainer(self) -> Explainer:
        return open_explainer(self.bundle, self.predictor.model)

    @cached_property
    def document(self) -> bytes:
        """The OpenAPI document, as JSON."""
        return msgspec.json.encode(openapi(self.bundle, self._example))

    @cached_property
    def page(self) -> Page:
        """The page that tries a prediction."""
        return Page(self.bundle, self._example)


class Versions:
    """Those that are loaded, by version. `default` answers where a request names none.

    While a rollout runs, `split` divides what is asked, and `beside` is the version that another
    process answers for.
    """

    def __init__(self, default: Served) -> None:
        self.default = default
        self.loaded = {default.version: default}
        self.split: Split | None = None
        self.beside: Version | None = None

    def add(self, served: Served) -> None:
        """Answer with a version, too, where it is named."""
        self.loaded = {**self.loaded, served.version: served}
        served.variant = CANDIDATE

    def make_default(self, version: str) -> None:
        """Answer with a loaded version where a request names none."""
        self.default.variant = CANDIDATE
        self.default = self.loaded[version]
        self.default.variant = CHAMPION

    def remove(self, version: str) -> None:
        """Answer no longer with a version that is not the default."""
        self.loaded = {v: served for v, served in self.loaded.items() if v != version}

    def described(self) -> list[dict[str, Any]]:
        """What each is, the default first."""
        ordered = sorted(self._all(), key=lambda served: served is not self.default)
        return [
            {
                "model": served.model,
                "version": served.version,
                "digest": served.bundle.digest,
                "default": served is self.default,
            }
            for served in ordered
        ]

    def labels(self) -> Iterator[dict[str, str]]:
        """See `Served.labels`, of each."""
        return (served.labels for served in self._all())

    def _all(self) -> Iterator[Version]:
        yield from self.loaded.values()
        if self.beside is not None and self.beside.version not in self.loaded:
            yield self.beside

    def known(self, name: str | None = None, version: str | None = None) -> Version:
        """As `find`, whoever answers for it."""
        beside = self.beside
        if beside is not None and version == beside.version and name in (None, beside.model):
            return self.loaded.get(version, beside)
        return self.find(name, version)

    def names(self, first: Version) -> list[str]:
        """The versions of a model that may be named, `first` first."""
        others = (v.version for v in self._all() if v.model == first.model)
        return list(dict.fromkeys([first.version, *others]))

    def find(self, name: str | None = None, version: str | None = None) -> Served:
        """The version that a path names; raises `RequestError` (404) where none is loaded so."""
        served = self.default if version is None else self.loaded.get(version)
        if served is None or name not in (None, served.model):
            asked = " ".join(part[:80] for part in (name, version) if part is not None)
            raise RequestError(404, f"there is no model {asked}")
        return served
