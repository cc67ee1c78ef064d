"""From a raw event to the answer, in one place: encode, predict, name the prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_cli.bundle.manifest import ClassLabel, Manifest
from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.encoder import Row, RowEncoder
from mlops_cli.serving.models import Matrix, Model, Raw, answering, load_model
from mlops_cli.serving.predictions import (
    Prediction,
    contents,
    points,
    prediction_columns,
    render,
)


class Predictor:
    """A bundle's model with all that stands between an event and its prediction."""

    def __init__(
        self,
        manifest: Manifest,
        model: Model,
        encoder: RowEncoder,
        answering: Model | None = None,
    ) -> None:
        self.manifest = manifest
        self.model = model  # which explains: contributions add up to its number
        self._answering = answering or model
        self.row = encoder.row
        self.matrix = encoder.matrix
        self.encode = encoder.encode
        self.exact = encoder.exact

    def numbers(self, matrix: Matrix) -> Raw:
        """What is answered, as numbers, from a matrix of shape (n, f): see `Model.predict`.

        Of a regression with an interval shape (n, 3): value, low, high.
        """
        return self._answering.predict(matrix)

    def points(self, matrix: Matrix) -> Raw:
        """The numbers that metrics are of: see `predictions.points`."""
        return points(self.manifest, self.numbers(matrix))

    def raw(self, rows: Sequence[Row]) -> Raw:
        """The numbers for encoded rows."""
        return self.numbers(self.matrix(rows))

    def answers(self, raw: Raw) -> list[Prediction]:
        """Numbers as predictions: see `predictions.render`."""
        return render(self.manifest, raw)

    def contents(self, raw: Raw) -> list[bytes]:
        """The same as JSON: see `predictions.contents`."""
        return contents(self.manifest, raw)

    def columns(self, raw: Raw) -> dict[str, Raw | list[ClassLabel]]:
        """Numbers as columns: see `predictions.prediction_columns`."""
        return prediction_columns(self.manifest, raw)

    def predict(self, events: Sequence[Mapping[str, Any]], start: int = 0) -> list[Prediction]:
        """The predictions of events, of which the first is row `start` of a list.

        Raises `RequestError` naming row and field.
        """
        return self.answers(self.numbers(self.encode(events, start)))


def open_predictor(bundle: Bundle, threads: int = 1, *, in_child_first: bool = False) -> Predictor:
    """The predictor of a verified bundle; arguments and errors are those of `load_model`."""
    model = load_model(bundle, threads, in_child_first=in_child_first)
    encoder = RowEncoder(bundle.manifest, bundle.trees())
    return Predictor(bundle.manifest, model, encoder, answering(bundle, model, threads))
