"""A table by CSV, by pandas and as Parquet, and a request: one number for one row."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fitted import project_of
from mlops_cli.actions.drift import drift
from mlops_cli.actions.score import score
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.serving.models import load_model

HEAD = "sex,smoker,joined,seen,mass,churn"


def lines(n: int, seed: int) -> list[str]:
    rng, made = random.Random(seed), []
    for _ in range(n):
        sex, smoker = rng.choice(["male", "female", "NA"]), rng.choice(["Yes", "No"])
        month, day = rng.randrange(1, 13), rng.randrange(1, 28)
        likely = 0.2 + 0.3 * (sex == "male") + 0.3 * (smoker == "Yes") + 0.02 * month
        mass = rng.choice(["NA", 3500, 4000, 4500])
        cells = [sex, smoker, f"{month:02}/{day:02}/2024", f"2023{month:02}{day:02}", mass]
        made.append(",".join(map(str, [*cells, "Yes" if rng.random() < likely else "No"])))
    return made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("agree")
    (root / "t.csv").write_text("\n".join([HEAD, *lines(1500, 0)]) + "\n")
    row = {"month": "month(joined)", "weekday": "dayofweek(seen)"}
    features = {"columns": ["sex", "smoker", "mass"], "row": row}
    return project_of(root, "t.csv", "churn", features=features)


def probabilities(root: Path, table: Path) -> list[float]:
    out = table.with_suffix(".out.parquet")
    score(load_project(root), table, out, bundle=root / "model", strict=True)
    return pq.read_table(out)["probability"].to_pylist()


def test_csv_pandas_parquet_and_requests_agree(root: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("\n".join([HEAD, *lines(200, 1)]) + "\n")
    expected = probabilities(root, tmp_path / "new.csv")
    assert len(set(expected)) > 20
    frame = pd.read_csv(tmp_path / "new.csv")  # NA is missing, dates are text and whole numbers
    assert frame["sex"].isna().any()
    frame.to_parquet(tmp_path / "pandas.parquet", index=False)
    assert probabilities(root, tmp_path / "pandas.parquet") == expected
    frame["joined"] = pd.to_datetime(frame["joined"], format="%m/%d/%Y")
    frame["seen"] = pd.to_datetime(frame["seen"].astype(str))
    frame.to_parquet(tmp_path / "dates.parquet", index=False)
    assert probabilities(root, tmp_path / "dates.parquet") == expected
    kept = pd.read_csv(tmp_path / "new.csv", keep_default_na=False).replace({"mass": {"NA": None}})
    bundle = open_bundle(root / "model")
    encoder, model = RowEncoder(bundle.manifest, bundle.trees()), load_model(bundle)
    for sent in (json.loads(kept.to_json(orient="records")),):
        for event in sent:
            event["mass"] = None if event["mass"] is None else float(event["mass"])
        answers = model.predict(encoder.encode(sent))
        np.testing.assert_allclose(answers, expected, rtol=1e-6)


def test_an_empty_text_is_missing_in_every_form(root: Path, tmp_path: Path) -> None:
    project = load_project(root)
    (tmp_path / "new.csv").write_text("\n".join([HEAD, *lines(400, 3)]).replace("NA,", ",") + "\n")
    frame = pd.read_csv(tmp_path / "new.csv", keep_default_na=False)  # empty texts stay texts
    frame["mass"] = frame["mass"].astype(str)
    assert (frame["sex"] == "").any()
    frame.to_parquet(tmp_path / "empty.parquet", index=False)
    files = [tmp_path / name for name in ("new.csv", "empty.parquet")]
    assert probabilities(root, files[0]) == probabilities(root, files[1])
    found = [drift(project, current=file, bundle=root / "model").columns for file in files]
    assert found[0] == found[1]
    bundle = open_bundle(root / "model")
    encoder, model = RowEncoder(bundle.manifest, bundle.trees()), load_model(bundle)
    sent = json.loads(frame.to_json(orient="records"))
    for event in sent:
        event["mass"] = float(event["mass"]) if event["mass"] else event["mass"]
    expected = probabilities(root, files[0])
    np.testing.assert_allclose(model.predict(encoder.encode(sent)), expected, rtol=1e-6)


def test_the_same_table_by_pandas_is_no_drift(root: Path, tmp_path: Path) -> None:
    project = load_project(root)
    (tmp_path / "new.csv").write_text("\n".join([HEAD, *lines(400, 2)]) + "\n")
    frame = pd.read_csv(tmp_path / "new.csv")
    frame.to_parquet(tmp_path / "new.parquet", index=False)
    found = [
        drift(project, current=tmp_path / name, bundle=root / "model")
        for name in ("new.csv", "new.parquet")
    ]
    assert not found[0].drifted
    assert found[0].columns == found[1].columns
    missing = {c.name: (c.missing_reference, c.missing_current) for c in found[0].columns}["sex"]
    assert all(0.2 < share < 0.45 for share in missing)
