"""Rows reweighed so that group and target are independent: the weights, and what comes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from learning import make
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import DataError
from mlops_cli.evaluation.report import read_report
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.training.reweighing import reweighed

N = 4000


def test_in_each_group_a_class_is_as_frequent_as_in_all():
    rng = np.random.default_rng(0)
    sex, place = rng.choice(["f", "m"], N), rng.choice(["a", "b"], N, p=[0.3, 0.7])
    y = (rng.random(N) < np.where(sex == "f", 0.2, 0.5) * np.where(place == "a", 0.6, 1)) * 1.0
    own, fitted = rng.uniform(0.5, 2, N), np.arange(N - 1000)
    found = reweighed(pa.table({"sex": sex, "place": place}), ["sex", "place"], y, fitted, own)
    w, base = found[fitted], own[fitted]
    overall = base[y[fitted] == 1].sum() / base.sum()
    for group in ("f", "m"):
        for town in ("a", "b"):
            here = (sex == group)[fitted] & (place == town)[fitted]
            assert w[here & (y[fitted] == 1)].sum() / w[here].sum() == pytest.approx(overall)
            assert w[here].sum() == pytest.approx(base[here].sum())  # a group counts as it did
    assert w.sum() == pytest.approx(base.sum())
    plain = reweighed(pa.table({"sex": sex}), ["sex"], y, fitted)
    cell = (sex == "f") & (y == 1)
    share = np.mean(sex[fitted] == "f") * y[fitted].mean() / cell[fitted].mean()
    assert plain[cell] == pytest.approx(share)
    with pytest.raises(DataError, match="lacks the column other"):
        reweighed(pa.table({"sex": sex}), ["other"], y, fitted)


def test_groups_are_selected_more_alike_by_one_model_as_any_other(tmp_path: Path):
    gaps = []
    for mitigate in (None, {"method": "reweighing"}):
        project = make(
            tmp_path / str(mitigate is None),
            n=1500,
            data={
                "table": "data/raw/events.parquet",
                "target": "target",
                "time": "at",
                "sensitive": ["kind"],
            },
            features={"columns": ["x", "k", "open"], "row": {"b": "kind = 'b'", "c": "kind = 'c'"}},
            train={"mitigate": mitigate} if mitigate else {},
            tune={"trials": 2, "rounds": 20, "finish": False},
        )
        tune(project)
        train(project)
        fairness = read_report(project.root).fairness["kind"]
        gaps.append(fairness.demographic_parity_difference)
        manifest = open_bundle(project.root / "model").manifest
        assert manifest.format == "1.1"  # nothing of it stands in the bundle
    assert gaps[1] < 0.7 * gaps[0]
