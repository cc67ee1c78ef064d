"""The C library called directly gives the numbers of XGBoost's Python package, to the bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost

import bundles
from delays import FEATURES
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving import xgboost_library
from mlops_cli.serving.models import load_model
from mlops_cli.serving.xgboost_few_rows import MOST, FewRows, open_few_rows
from mlops_cli.serving.xgboost_library import Booster, XGBoostFault
from mlops_cli.serving.xgboost_model import XGBoostModel

Samples = dict[tuple[str, bool], bundles.Sample]


def _rows(n: int, width: int) -> np.ndarray:
    random = np.random.default_rng(0)
    rows = random.normal(5, 40, size=(n, width)).astype(np.float32)
    rows[random.random(rows.shape) < 0.1] = np.nan
    rows[:, :2] = random.integers(0, 3, size=(n, 2))
    return rows


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_100_000_rows_have_the_numbers_of_the_package(samples: Samples, task: str) -> None:
    content = open_bundle(samples[task, False].path).model_file.read_bytes()
    ours, theirs = Booster(content, 1), xgboost.Booster(model_file=bytearray(content))
    theirs.set_param({"nthread": 1})
    rows = _rows(100_000, ours.width)
    assert ours.width == theirs.num_features()
    for output in ("value", "margin"):
        wanted = theirs.inplace_predict(rows, predict_type=output, validate_features=False)
        found = ours.predict(rows, output)
        assert found.shape == wanted.shape
        assert found.tobytes() == wanted.tobytes()
    few = rows[:200]
    wanted = theirs.predict(xgboost.DMatrix(few), pred_contribs=True, validate_features=False)
    found = ours.contributions(few)
    assert (found.shape, found.tobytes()) == (wanted.shape, wanted.tobytes())
    alone = np.concatenate([ours.predict(few[i : i + 1]) for i in range(len(few))])
    assert alone.tobytes() == ours.predict(few).tobytes()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_few_rows_have_the_same_numbers(samples: Samples, task: str) -> None:
    content = open_bundle(samples[task, False].path).model_file.read_bytes()
    booster = Booster(content, 1)
    few = FewRows(content, 1, booster)
    rows = _rows(2_000, booster.width)
    rows[0] = np.nan
    wanted = booster.predict(rows)
    for n in (1, 2, 7, MOST):
        found = [few.predict(rows[i : i + n]) for i in range(0, len(rows) - n, 3 * n)]
        assert all(part.shape == wanted[:n].shape for part in found)
        assert all(
            part.tobytes() == wanted[i : i + n].tobytes()
            for i, part in zip(range(0, len(rows) - n, 3 * n), found, strict=True)
        )
    with pytest.raises(XGBoostFault, match=f"takes {booster.width} features"):
        few.predict(rows[:2, 1:])


def test_the_way_of_few_rows_is_taken_where_it_is_sooner() -> None:
    """Of a model with many nodes XGBoost looks at all of them, at every other call."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(20_000, 6))
    target = rows[:, 0] * rows[:, 1] + random.normal(size=len(rows))
    settings = {"max_depth": 12, "min_child_weight": 0, "nthread": 2, "eta": 0.1}
    made = xgboost.train(settings, xgboost.DMatrix(rows, target), 40)
    large = bytes(made.save_raw("ubj"))
    few = open_few_rows(large, 1, Booster(large, 1))
    walks = (3, 1) <= tuple(map(int, xgboost.__version__.split(".")[:2])) < (3, 3)
    assert few is not None or not walks
    assert open_few_rows(large, 1, Booster(large, 1), largest=len(large) - 1) is None


def test_numbers_outlive_the_next_call(samples: Samples) -> None:
    booster = Booster(open_bundle(samples["binary", False].path).model_file.read_bytes(), 1)
    rows = _rows(64, booster.width)
    first = booster.predict(rows)
    kept = first.copy()
    booster.predict(rows[::-1].copy())
    assert first.tobytes() == kept.tobytes()


@pytest.mark.parametrize("method", ["predict", "contributions"])
def test_rows_of_any_type_and_order_have_the_same_numbers(samples: Samples, method: str) -> None:
    booster = Booster(open_bundle(samples["binary", False].path).model_file.read_bytes(), 1)
    rows = _rows(64, booster.width)
    wanted = getattr(booster, method)(rows).tobytes()
    wide = np.zeros((128, 2 * booster.width), np.float32)
    wide[::2, ::2] = rows
    for same in (rows.astype(np.float64), np.asfortranarray(rows), wide[::2, ::2]):
        assert getattr(booster, method)(same).tobytes() == wanted


@pytest.mark.parametrize("method", ["predict", "contributions"])
def test_rows_of_another_width_are_refused(samples: Samples, method: str) -> None:
    """XGBoost itself asks neither way: it reads what stands behind the row."""
    booster = Booster(open_bundle(samples["binary", False].path).model_file.read_bytes(), 1)
    for shape, got in (((3, booster.width - 1), str(booster.width - 1)), ((7,), "an array of")):
        with pytest.raises(XGBoostFault, match=f"takes {booster.width} features, and got {got}"):
            getattr(booster, method)(np.zeros(shape, np.float32))


def test_no_rows_have_no_numbers_and_as_many_classes(samples: Samples) -> None:
    none = np.zeros((0, len(FEATURES)), np.float32)
    for task, shape, k in (("binary", (0,), 1), ("multiclass", (0, 3), 3), ("regression", (0,), 1)):
        model = load_model(open_bundle(samples[task, False].path))
        assert isinstance(model, XGBoostModel)
        assert model.predict(none).shape == shape
        parts, margins = model.contributions(none)
        assert (parts.shape, margins.shape) == ((0, len(FEATURES), k), (0, k))


def test_what_is_no_model_is_refused_in_the_library_s_words() -> None:
    with pytest.raises(XGBoostFault, match=r"XGBoost refuses it: .+") as refused:
        Booster(b'{"learner": {}}', 1)
    assert len(refused.value.message) < 400


def test_the_version_is_the_package_s() -> None:
    assert xgboost_library.version() == xgboost.__version__


def test_the_package_is_not_imported(samples: Samples) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from mlops_cli.bundle.reader import open_bundle\n"
        "from mlops_cli.serving.models import load_model\n"
        "load_model(open_bundle(Path(sys.argv[1])))\n"
        "print(sorted({'xgboost', 'scipy', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(Path(samples["binary", False].path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
