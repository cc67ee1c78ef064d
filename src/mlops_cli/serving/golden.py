"""Before it answers, a server proves that it reproduces training's own rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import GOLDEN, Manifest
from mlops_cli.bundle.reader import Bundle, GoldenRow, bundle_faults
from mlops_cli.errors import BundleError
from mlops_cli.serving.encoder import Row
from mlops_cli.serving.models import Matrix
from mlops_cli.serving.predictions import VALUE, Prediction
from mlops_cli.serving.predictor import Predictor
from mlops_cli.serving.requests import RequestError

ABSOLUTE = 1e-6
RELATIVE = 1e-5


def replay(bundle: Bundle, predictor: Predictor) -> int:
    """Compute every golden row's features and prediction, in one batch and each row alone.

    Features must be equal in float32, to 1 ulp (transcendental functions); predictions within
    1e-6 + 1e-5 |y|. Returns the number of rows. Raises `BundleError` naming the first row that
    differs (from 1, as in the file) and its field.
    """
    rows = list(bundle.golden())
    with bundle_faults(f"the model does not compute the rows of {bundle.path / GOLDEN}"):
        _compare(bundle, predictor, rows)
    return len(rows)


def _compare(bundle: Bundle, predictor: Predictor, rows: list[GoldenRow]) -> None:
    encoded = [_features(bundle, predictor, row, n) for n, row in _numbered(rows)]
    matrix = predictor.matrix(encoded)
    wanted = np.array([row.features for row in rows], dtype=np.float32)  # None becomes NaN
    _check_features(bundle, matrix, wanted)
    batch = predictor.answers(predictor.raw(encoded))
    for i, row in enumerate(rows):
        alone = predictor.answers(predictor.raw(encoded[i : i + 1]))[0]
        for found, how in ((batch[i], "in a batch"), (alone, "alone")):
            if field := difference(bundle.manifest, row.prediction, found):
                raise _differs(bundle, i + 1, f"predicted {how}, {field}")


def difference(manifest: Manifest, wanted: Prediction, found: Prediction) -> str | None:
    """What differs by more than the tolerance, as text, or null where nothing does.

    Labels are compared only where the numbers decide them by more than the tolerance.
    """
    numbers, others = numbers_of(manifest, wanted), numbers_of(manifest, found)
    for name, number in numbers.items():
        other = others.get(name)
        if other is None or not abs(other - number) <= tolerance(number):
            return f"{name}: wanted {number!r}, got {other!r}"
    if decided(manifest, numbers) and wanted.get("label") != found.get("label"):
        return f"label: wanted {wanted.get('label')!r}, got {found.get('label')!r}"
    return None


def tolerance(number: float) -> float:
    """By how much a prediction may differ from this one."""
    return ABSOLUTE + RELATIVE * abs(number)


def steps(found: Matrix, wanted: Matrix) -> NDArray[np.float64]:
    """How many ulps each feature differs by, in the shape of both: at most 1 is equal.

    Missing on both sides is 0, on one infinite.
    """
    missing = np.isnan(found), np.isnan(wanted)
    with np.errstate(invalid="ignore"):
        apart = np.abs(found.astype(np.float64) - wanted)
        made = apart / np.spacing(np.maximum(np.abs(found), np.abs(wanted)))
    return np.where(missing[0] & missing[1], 0.0, np.where(missing[0] ^ missing[1], np.inf, made))


def numbers_of(manifest: Manifest, prediction: Prediction) -> dict[str, float]:
    """The numbers of a prediction by name: of several classes, by class."""
    if manifest.task == "multiclass":
        probabilities: dict[str, float] = prediction["probabilities"]
        return probabilities
    if manifest.task == "binary":
        return {"probability": prediction["probability"]}
    return {name: prediction[name] for name in VALUE if name in prediction}


def decided(manifest: Manifest, numbers: dict[str, float]) -> bool:
    """Whether the label would be the same with numbers that differ by the tolerance."""
    if manifest.task == "binary":
        margin = abs(numbers["probability"] - manifest.threshold)
    else:
        first, second, *_ = [*sorted(numbers.values(), reverse=True), -1.0]
        margin = first - second
    return margin > 2 * (ABSOLUTE + RELATIVE)


def _numbered(rows: list[GoldenRow]) -> Iterator[tuple[int, GoldenRow]]:
    return enumerate(rows, 1)


def _features(bundle: Bundle, predictor: Predictor, golden: GoldenRow, n: int) -> Row:
    try:
        return predictor.row(golden.inputs)
    except RequestError as e:
        raise _differs(bundle, n, e.message) from e


def _check_features(bundle: Bundle, found: Matrix, wanted: Matrix) -> None:
    bad = np.argwhere(steps(found, wanted) > 1)
    if len(bad):
        i, j = bad[0]
        name = bundle.manifest.features[j].name
        got = f"{name}: wanted {_shown(wanted[i, j])}, got {_shown(found[i, j])}"
        raise _differs(bundle, int(i) + 1, f"feature {got}")


def _shown(value: Any) -> str:
    return "missing" if np.isnan(value) else repr(float(value))


def _differs(bundle: Bundle, row: int, what: str) -> BundleError:
    return BundleError(
        f"the model does not reproduce row {row} of {bundle.path / GOLDEN}: {what}",
        hint="train again with this release: what serves must compute what training did",
    )
