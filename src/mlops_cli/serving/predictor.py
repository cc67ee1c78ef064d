"""From a raw event to the answer, in one place: encode, predict, name the prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.encoder import Row, RowEncoder
from mlops_cli.serving.models import Model, Raw, load_model
from mlops_cli.serving.predictions import Prediction, render


class Predictor:
    """A bundle's model with all that stands between an event and its prediction."""

    def __init__(self, manifest: Manifest, model: Model, encoder: RowEncoder) -> None:
        self.manifest = manifest
        self.model = model
        self.row = encoder.row
        self.matrix = encoder.matrix
        self._encode = encoder.encode

    def raw(self, rows: Sequence[Row]) -> Raw:
        """The model's numbers for encoded rows."""
        return self.model.predict(self.matrix(rows))

    def answers(self, raw: Raw) -> list[Prediction]:
        """The model's numbers as predictions: see `predictions.render`."""
        return render(self.manifest, raw)

    def predict(self, events: Sequence[Mapping[str, Any]], start: int = 0) -> list[Prediction]:
        """The predictions of events, of which the first is row `start` of a list.

        Raises `RequestError` naming row and field.
        """
        return self.answers(self.model.predict(self._encode(events, start)))


def open_predictor(bundle: Bundle, threads: int = 1, *, in_child_first: bool = False) -> Predictor:
    """The predictor of a verified bundle; arguments and errors are those of `load_model`."""
    model = load_model(bundle, threads, in_child_first=in_child_first)
    return Predictor(bundle.manifest, model, RowEncoder(bundle.manifest, bundle.trees()))
