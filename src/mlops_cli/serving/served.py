"""A version of the model: its names, and what stands between a body and its answer."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.cache import Cache, CachingBatcher
from mlops_cli.serving.contributions import Explainer, explained
from mlops_cli.serving.explain import open_explainer
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.micro_batch import MicroBatcher
from mlops_cli.serving.online.complete import Completer
from mlops_cli.serving.online.opened import open_served
from mlops_cli.serving.openapi import openapi
from mlops_cli.serving.page import Page
from mlops_cli.serving.predictions import Prediction
from mlops_cli.serving.predictor import Predictor
from mlops_cli.serving.requests import EventDecoder

CHAMPION, CANDIDATE = "champion", "candidate"


class Version:
    """One version as answers, log and metrics name it; whoever has its model answers for it."""

    def __init__(self, bundle: Bundle, variant: str, types: Mapping[str, Any] | None) -> None:
        self.bundle = bundle
        self.model = bundle.manifest.project
        self.version = bundle.version
        self.variant = variant
        self.online: Completer | None = None
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


@dataclass(frozen=True, slots=True)
class Stores:
    """What versions ask beside their models, and the metrics that count how often.

    `cache` has what a model said of rows before; `online` is the setting of the online store.
    """

    metrics: Metrics
    cache: Cache | None = None
    online: str | None = None


class Served(Version):
    """One version with all that stands between a request's body and its answer.

    Without `stores` nothing is looked up: events bring all.
    """

    def __init__(self, bundle: Bundle, predictor: Predictor, stores: Stores | None = None) -> None:
        super().__init__(bundle, CHAMPION, predictor.exact.types)
        self.predictor = predictor
        self.batcher = MicroBatcher(predictor)
        if stores is not None and stores.cache is not None:
            self.batcher = CachingBatcher(predictor, bundle.digest, stores.cache, stores.metrics)
        plan = bundle.online() if stores is not None else None
        if plan is not None and stores is not None:
            store = open_served(stores.online, bundle.manifest.project)
            self.online = Completer(bundle.manifest, plan, store, stores.metrics)
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
