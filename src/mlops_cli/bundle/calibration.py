"""What stands between a model's number and the answer: `calibration.json` of a bundle."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import assert_never

import msgspec

from mlops_cli._json import plain_json
from mlops_cli.bundle.manifest import CALIBRATION, HIGH, LOW, Manifest
from mlops_cli.bundle.reader import Bundle, bundle_faults


class Isotonic(
    msgspec.Struct, frozen=True, tag_field="method", tag="isotonic", forbid_unknown_fields=True
):
    """Points through which a probability goes, straight lines between them: `x` to `y`.

    Both ascend strictly, so that no two rows change places; `x` goes from 0 to 1, and `y` stays
    between them.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]


class Sigmoid(
    msgspec.Struct, frozen=True, tag_field="method", tag="sigmoid", forbid_unknown_fields=True
):
    """Log odds times `slope`, which is above 0, plus `intercept` (Platt 1999)."""

    slope: float
    intercept: float


class Temperature(
    msgspec.Struct, frozen=True, tag_field="method", tag="temperature", forbid_unknown_fields=True
):
    """Log odds, of several classes log probabilities, over `temperature` (Guo et al. 2017)."""

    temperature: float


Calibrator = Isotonic | Sigmoid | Temperature


class Interval(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a regression's value is answered with: `low` and `high`.

    `width` is what is added on both sides: of the value, or with `quantiles` (the lower and the
    upper one's level) of what the boosters `low.ubj` and `high.ubj` predict, where it may be
    negative. `rows` are the unseen rows that it is of.
    """

    width: float
    rows: int
    quantiles: tuple[float, float] | None = None


class Calibration(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The content of `calibration.json`: a classification's calibrator, or a regression's interval.

    The threshold and the interval's level stand in the manifest, where all who name a label or
    list an answer's fields find them.
    """

    calibrator: Calibrator | None = None
    interval: Interval | None = None


_read = msgspec.json.Decoder(Calibration).decode


def read_calibration(bundle: Bundle) -> Calibration:
    """The calibration of a bundle that names one; raises `BundleError` where it can be none."""
    with bundle_faults(str(bundle.path / CALIBRATION)):
        content = bundle.content(CALIBRATION)
        plain_json(content)
        found = _read(content)
        check_calibration(bundle.manifest, found)
    return found


def check_calibration(manifest: Manifest, calibration: Calibration) -> None:
    """Raise `ValueError` where it does not go with the manifest, or can be no calibration."""
    for fault in _faults(manifest, calibration):
        raise ValueError(fault)


def _faults(manifest: Manifest, calibration: Calibration) -> Iterator[str]:
    calibrator, interval = calibration.calibrator, calibration.interval
    if calibrator is None and interval is None:
        yield "it holds neither a calibrator nor an interval"
    if (interval is not None) != (manifest.interval is not None):
        yield "only one of it and the manifest has an interval"
    if calibrator is not None:
        yield from _of_calibrator(manifest, calibrator)
    if interval is not None:
        yield from _of_interval(interval)
    of_quantiles = interval is not None and interval.quantiles is not None
    if any((name in manifest.files) != of_quantiles for name in (LOW, HIGH)):
        yield f"{LOW} and {HIGH} go with an interval of quantiles, and with no other"


def _of_calibrator(manifest: Manifest, calibrator: Calibrator) -> Iterator[str]:
    if manifest.task == "regression":
        yield "a regression has no calibrator"
    match calibrator:
        case Isotonic():
            yield from _of_table(manifest, calibrator)
        case Sigmoid(slope=slope, intercept=intercept):
            if manifest.task != "binary":
                yield f"sigmoid is of two classes, and the task is {manifest.task}"
            if not (0 < slope < math.inf and math.isfinite(intercept)):
                yield f"the slope {slope} is not above 0, or a number is not finite"
        case Temperature(temperature=temperature):
            if not 0 < temperature < math.inf:
                yield f"the temperature {temperature} is not above 0, or not finite"
        case _:
            assert_never(calibrator)


def _of_table(manifest: Manifest, table: Isotonic) -> Iterator[str]:
    if manifest.task != "binary":
        yield f"isotonic is of two classes, and the task is {manifest.task}"
    if len(table.x) != len(table.y) or len(table.x) < 2:
        yield f"it has {len(table.x)} x and {len(table.y)} y: at least two points are a table"
    for name, column in (("x", table.x), ("y", table.y)):
        # Also where one is NaN, of which none of this is true.
        if not all(a < b for a, b in pairwise(column)):
            yield f"{name} does not ascend strictly"
        if not all(0 <= v <= 1 for v in column):
            yield f"{name} leaves the range from 0 to 1"
    if (*table.x[:1], *table.x[-1:]) != (0.0, 1.0):
        yield "x does not go from 0 to 1"


def _of_interval(interval: Interval) -> Iterator[str]:
    if not math.isfinite(interval.width) or interval.rows < 1:
        yield f"the interval's width is {interval.width}, of {interval.rows} rows"
    if interval.quantiles is None:
        if interval.width < 0:
            yield f"the interval's width {interval.width} is below 0"
        return
    low, high = interval.quantiles
    if not 0 < low < high < 1:
        yield f"the quantiles {low} and {high} are not in order between 0 and 1"
