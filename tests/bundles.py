"""Small real bundles, fitted on generated data; their golden rows come from training's own API."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pyarrow as pa
import xgboost

from delays import CARRIERS, FEATURES, INPUTS, ORIGINS, TREES
from mlops_cli._files import sha256_of
from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import (
    MANIFEST,
    Manifest,
    ModelKind,
    Target,
    Task,
)
from mlops_cli.bundle.writer import Model, write_bundle
from mlops_cli.monitoring.drift.profile import build_profile
from mlops_cli.packaging.requirements import serving_requirements

Event = dict[str, Any]
Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Fitted:
    """A model as training has it: its bytes and its own prediction of a float32 matrix."""

    kind: ModelKind
    content: bytes
    predict: Predict


@dataclass(frozen=True)
class Sample:
    """What a test needs beside the bundle: events, training's matrix and raw predictions."""

    path: Path
    task: Task
    events: list[Event]
    matrix: np.ndarray
    raw: np.ndarray


def events(n: int, seed: int = 0) -> list[Event]:
    """Events with nulls, unseen categories and extremes."""
    random = np.random.default_rng(seed)
    made = [_event(random, i) for i in range(n)]
    made[0] |= {"carrier": "unseen", "temp": 1e300, "distance": 2**62}
    made[1] |= {"carrier": None, "temp": None, "wet": None, "day": None, "at": None}
    made[2] |= {"temp": -1e-300, "distance": -(2**63)}
    return made


def _event(random: np.random.Generator, i: int) -> Event:
    day = date(2013, 1, 1) + timedelta(days=i % 365)
    return {
        "carrier": CARRIERS[random.integers(3)] if random.random() > 0.1 else None,
        "origin": ORIGINS[random.integers(3)],
        "distance": int(random.integers(50, 3000)),
        "temp": round(float(random.normal(12, 9)), 2) if random.random() > 0.1 else None,
        "wet": bool(random.random() < 0.3) if random.random() > 0.1 else None,
        "day": day.isoformat(),
        "at": f"{day}T{i % 24:02}:00:00Z",
    }


def matrix(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Training's encoding, written once more and plainly, so that the server's can be judged."""
    out = np.full((len(rows), len(FEATURES)), np.nan, np.float32)
    for i, row in enumerate(rows):
        for j, feature in enumerate(FEATURES):
            value = _feature(row, feature.name)
            if feature.kind == "category":
                if value in (feature.categories or ()):
                    out[i, j] = feature.categories.index(value)
            elif value is not None:
                with np.errstate(over="ignore"):
                    number = np.float32(float(value))
                out[i, j] = number if np.isfinite(number) else np.nan
    return out


def _feature(row: Mapping[str, Any], name: str) -> Any:
    if name == "weekday":
        return row["day"] and date.fromisoformat(row["day"]).isoweekday() % 7
    if name == "hour":
        return row["at"] and int(row["at"][11:13])
    return row[name]


def fit(task: Task, x: np.ndarray, rounds: int = 20) -> Fitted:
    """An XGBoost model with categories, of a target that depends on every feature."""
    score = np.nan_to_num(x[:, 3], nan=5.0) / 9 + np.nan_to_num(x[:, 0]) - (x[:, 1] == 2)
    y = {
        "binary": score > 1.5,
        "multiclass": np.digitize(score, [0.8, 2.0]),
        "regression": 10 * score,
    }[task]
    parameters = {"max_depth": 4, "nthread": 1, "seed": 0, **_OBJECTIVES[task]}
    types = ["c" if f.kind == "category" else "q" for f in FEATURES]

    def dmatrix(x: np.ndarray, y: np.ndarray | None = None) -> xgboost.DMatrix:
        return xgboost.DMatrix(x, y, feature_types=types, enable_categorical=True, nthread=1)

    booster = xgboost.train(parameters, dmatrix(x, y), rounds)
    return Fitted("xgboost", bytes(booster.save_raw("ubj")), lambda m: booster.predict(dmatrix(m)))


_OBJECTIVES: dict[Task, dict[str, Any]] = {
    "binary": {"objective": "binary:logistic"},
    "multiclass": {"objective": "multi:softprob", "num_class": 3},
    "regression": {"objective": "reg:squarederror"},
}
CLASSES: dict[Task, tuple[Any, ...] | None] = {
    "binary": (False, True),
    "multiclass": ("early", "late", "on time"),
    "regression": None,
}


def fit_onnx(task: Task, x: np.ndarray) -> Fitted:
    """A scikit-learn pipeline and its ONNX form, the probabilities as one array."""
    from skl2onnx import to_onnx
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y = (np.nan_to_num(x[:, 3]) > 10).astype(int) + (x[:, 1] == 2)
    y = y > 0 if task == "binary" else y
    last = Ridge() if task == "regression" else LogisticRegression()
    model = make_pipeline(SimpleImputer(), StandardScaler(), last).fit(np.clip(x, -1e6, 1e6), y)
    options = {} if task == "regression" else {id(model): {"zipmap": False}}
    content = to_onnx(model, x[:1], options=options).SerializeToString()

    def predict(m: np.ndarray) -> np.ndarray:
        if task == "regression":
            return model.predict(m)
        found = model.predict_proba(m)
        return found[:, 1] if task == "binary" else found

    return Fitted("onnx", content, predict)


def prediction(task: Task, raw: Any) -> dict[str, Any]:
    """One prediction's fields, from training's raw number."""
    classes = CLASSES[task]
    if classes is None:
        return {"value": float(raw)}
    if task == "binary":
        return {"probability": float(raw), "label": classes[1] if raw >= 0.5 else classes[0]}
    shares = {str(c): float(p) for c, p in zip(classes, raw, strict=True)}
    return {"label": classes[int(np.argmax(raw))], "probabilities": shares}


def golden(task: Task, rows: list[Event], x: np.ndarray, raw: np.ndarray) -> bytes:
    """The golden rows' file."""
    lines = [
        msgspec.json.encode(
            {
                "inputs": row,
                "features": [None if math.isnan(v) else v for v in features],
                "prediction": prediction(task, number),
            }
        )
        for row, features, number in zip(rows, x.tolist(), raw, strict=True)
    ]
    return b"\n".join(lines) + b"\n"


def write(path: Path, task: Task = "binary", *, onnx: bool = False, n: int = 240) -> Sample:
    """Fit a model of `task` and write its bundle to `path`."""
    rows = events(n)
    x = matrix(rows)
    fitted = fit_onnx(task, x) if onnx else fit(task, x)
    raw = np.asarray(fitted.predict(x))
    write_fitted(path, task, fitted, golden(task, rows, x, raw), profile(rows, x))
    return Sample(path, task, rows, x, raw)


def profile(rows: list[Event], x: np.ndarray) -> bytes:
    """Drift's reference of these rows."""
    raw = {i.name: [row[i.name] for row in rows] for i in INPUTS[:5]}
    raw |= {
        name: [date.fromisoformat(r[name][:10]) if r[name] else None for r in rows]
        for name in ("day", "at")
    }
    numbers = {f.name: x[:, j] for j, f in enumerate(FEATURES) if f.name not in raw}
    return build_profile(pa.table(raw | numbers), inputs=INPUTS, features=FEATURES, importance={})


def write_fitted(
    path: Path, task: Task, fitted: Fitted, golden_rows: bytes, profile: bytes = b"{}\n"
) -> str:
    """Write the bundle of a fitted model; returns its digest."""
    library = xgboost if fitted.kind == "xgboost" else onnxruntime
    model = Model(
        project="delays",
        task=task,
        target=Target("late"),
        classes=CLASSES[task],
        kind=fitted.kind,
        inputs=INPUTS,
        features=FEATURES,
        modules={"numpy": np.__version__, library.__name__: library.__version__},
    )
    files = {
        "model.ubj" if fitted.kind == "xgboost" else "model.onnx": fitted.content,
        "features.json": canonical_json(TREES),
        "profile.json": profile,
        "golden.jsonl": golden_rows,
        "requirements.txt": serving_requirements(fitted.kind).encode(),
    }
    return write_bundle(path, model, files, {"host": "test"})


def spoil(bundle: Path, row: int) -> None:
    """Let golden row `row` ask for another probability than the model's; the digests are right."""
    file = bundle / "golden.jsonl"
    lines = file.read_bytes().splitlines()
    golden = msgspec.json.decode(lines[row])
    golden["prediction"]["probability"] = 0.123456
    lines[row] = msgspec.json.encode(golden)
    file.write_bytes(b"\n".join(lines) + b"\n")
    seal(file)


def seal(file: Path) -> None:
    """Have the manifest of a bundle name this file of it as it is now."""
    manifest = msgspec.json.decode((file.parent / MANIFEST).read_bytes(), type=Manifest)
    manifest.files[file.name] = msgspec.structs.replace(
        manifest.files[file.name], sha256=sha256_of(file)
    )
    (file.parent / MANIFEST).write_bytes(canonical_json(manifest))
