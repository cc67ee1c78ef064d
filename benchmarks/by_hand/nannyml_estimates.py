"""usage: nannyml_estimates.py tables FOLDER | estimate FILE     NannyML's tables and estimates

Runs in an environment with NannyML. A table has a row's window (`part`, -1 in the reference), the
model's `score`, and the label `y`; `estimate` prints the estimated ROC AUC by window.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"  # else it asks a host on the internet
warnings.simplefilter("ignore")
import nannyml
import numpy as np
import pandas as pd


def tables(folder: Path) -> None:
    """The real tables that come with NannyML, with its own models' probabilities."""
    census = nannyml.load_us_census_ma_employment_data()
    _write(folder, "employment", census, ("predicted_probability", "employed", 5000))
    housing = nannyml.load_modified_california_housing_dataset()
    _write(folder, "housing", housing, ("y_pred_proba", "clf_target", 500))


def _write(folder: Path, name: str, parts: tuple, of: tuple[str, str, int]) -> None:
    reference, later, labels = parts
    score, label, rows = of
    later = later.merge(labels, on="id")
    both = pd.DataFrame(
        {
            "part": np.r_[np.full(len(reference), -1), np.arange(len(later)) // rows],
            "score": np.r_[reference[score], later[score]].astype(float),
            "y": np.r_[reference[label], later[label]].astype(int),
        }
    )
    both.to_parquet(folder / f"{name}.parquet", index=False)


def estimate(file: Path) -> None:
    """Confidence-based estimation by its defaults."""
    table = pd.read_parquet(file)
    table["label"] = (table.score >= 0.5).astype(int)
    started = time.process_time()
    estimator = nannyml.CBPE(
        y_pred_proba="score",
        y_pred="label",
        y_true="y",
        problem_type="classification_binary",
        metrics=["roc_auc"],
        chunk_size=len(table),
    )
    estimator.fit(table[table.part < 0].drop(columns="part"))
    found = {}
    for part, window in table[table.part >= 0].groupby("part"):
        rows = window.drop(columns=["part", "y"]).reset_index(drop=True)
        result = estimator.estimate(rows).filter(period="analysis").to_df()
        found[str(part)] = float(result[("roc_auc", "value")].iloc[0])
    print(json.dumps({"seconds": time.process_time() - started, "roc_auc": found}))


{"tables": tables, "estimate": estimate}[sys.argv[1]](Path(sys.argv[2]))
