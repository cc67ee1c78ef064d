"""Bundles of format 2: a calibrator and a threshold, a temperature, and both kinds of interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import xgboost

import bundles
from mlops_cli._json import canonical_json
from mlops_cli.bundle.calibration import (
    Calibration,
    Interval,
    Isotonic,
    Sigmoid,
    Temperature,
)
from mlops_cli.bundle.manifest import Task
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.bundle.writer import Model, write_bundle

THRESHOLD = 0.3
STRICT = 0.895  # some of the sure ones reach it
TABLE = Isotonic((0.0, 0.2, 0.6, 1.0), (0.05, 0.1, 0.8, 0.9))
WIDTH = 1.5


@dataclass(frozen=True)
class Kind:
    """One kind of format 2, and what it makes of the library's numbers, by its own formula."""

    task: Task
    calibration: Calibration | None
    answer: Callable[[np.ndarray], np.ndarray]
    model: dict[str, Any] = field(default_factory=dict)
    quantiles: bool = False


def _softened(raw: np.ndarray) -> np.ndarray:
    powers = raw**0.5
    return powers / powers.sum(axis=1, keepdims=True)


KINDS = {
    "threshold": Kind("binary", None, lambda raw: raw, {"threshold": THRESHOLD}),
    "isotonic": Kind(
        "binary",
        Calibration(TABLE),
        lambda raw: np.interp(raw, TABLE.x, TABLE.y),
        {"threshold": THRESHOLD},
    ),
    "strict": Kind(
        "binary",
        Calibration(TABLE),
        lambda raw: np.interp(raw, TABLE.x, TABLE.y),
        {"threshold": STRICT},
    ),
    "sigmoid": Kind(
        "binary",
        Calibration(Sigmoid(0.5, -1.0)),
        lambda raw: 1 / (1 + np.exp(1.0) * np.sqrt((1 - raw) / raw)),
    ),
    "temperature": Kind("multiclass", Calibration(Temperature(2.0)), _softened),
    "interval": Kind(
        "regression",
        Calibration(interval=Interval(WIDTH, 50)),
        lambda raw: np.stack([raw, raw - WIDTH, raw + WIDTH], axis=1),
        {"interval": 0.9},
    ),
    "quantiles": Kind(
        "regression",
        Calibration(interval=Interval(0.25, 50, (0.1, 0.9))),
        lambda raw: raw,
        {"interval": 0.8},
        quantiles=True,
    ),
}


@dataclass(frozen=True)
class Decided:
    """A bundle on disk with rows, and the numbers that it is to answer."""

    path: Path
    kind: Kind
    events: list[bundles.Event]
    answers: np.ndarray


def write(path: Path, name: str, n: int = 120, *, onnx: bool = False) -> Decided:
    """Write the bundle of that kind to `path`."""
    kind = KINDS[name]
    plain = bundles.write(path.with_name(f"{path.name}-plain"), kind.task, n=n, onnx=onnx)
    made, ends = np.asarray(kind.answer(np.asarray(plain.raw, np.float64))), {}
    if kind.quantiles:
        ends, made = _ends(plain)
    write_over(path, plain, kind, made, ends)
    return Decided(path, kind, plain.events, made)


def write_over(
    path: Path, plain: bundles.Sample, kind: Kind, made: np.ndarray, ends: dict[str, bytes]
) -> None:
    """The bundle of `plain` with the kind's calibration; `made` are its golden rows' answers."""
    bundle = open_bundle(plain.path)
    manifest = bundle.manifest
    files = {name: (plain.path / name).read_bytes() for name in manifest.files}
    rows = [msgspec.json.decode(line) for line in files["golden.jsonl"].splitlines()]
    for row, answer in zip(rows, made.tolist(), strict=True):
        row["prediction"] = said(kind, answer)
    files["golden.jsonl"] = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    if kind.calibration is not None:
        files["calibration.json"] = canonical_json(kind.calibration)
    model = Model(
        project=manifest.project,
        task=manifest.task,
        target=manifest.target,
        classes=manifest.classes,
        kind=manifest.model,
        inputs=manifest.inputs,
        features=manifest.features,
        modules=manifest.modules,
        **kind.model,
    )
    write_bundle(path, model, files | ends, {"host": "test"})


def said(kind: Kind, answer: Any) -> dict[str, Any]:
    """One prediction's fields, of the numbers that are to be answered."""
    classes = bundles.CLASSES[kind.task]
    if classes is None:
        return dict(zip(("value", "low", "high"), answer, strict=True))
    if kind.task == "binary":
        threshold = kind.model.get("threshold", 0.5)
        return {"probability": answer, "label": classes[int(answer >= threshold)]}
    shares = dict(zip(map(str, classes), answer, strict=True))
    return {"label": classes[int(np.argmax(answer))], "probabilities": shares}


def _ends(plain: bundles.Sample) -> tuple[dict[str, bytes], np.ndarray]:
    """Boosters of two quantiles, and value, low and high in order."""
    x, y = plain.matrix, np.asarray(plain.raw, np.float64) + np.sin(np.arange(len(plain.matrix)))
    found, files = [], {}
    for name, level in (("low.ubj", 0.1), ("high.ubj", 0.9)):
        settings = {"objective": "reg:quantileerror", "quantile_alpha": level, "nthread": 1}
        booster = xgboost.train(settings, xgboost.DMatrix(x, y), 10)
        files[name] = bytes(booster.save_raw("ubj"))
        found.append(booster.predict(xgboost.DMatrix(x)).astype(np.float64))
    raw = np.asarray(plain.raw, np.float64)
    low, high = np.minimum(*found) - 0.25, np.maximum(*found) + 0.25
    return files, np.stack([raw, np.minimum(low, raw), np.maximum(high, raw)], axis=1)
