"""Drift in numpy: KS and PSI of the numbers, chi-square and PSI of the texts.

usage: drift.py prepare REFERENCE STATE     the reference's quantiles and counts, once
       drift.py compare CURRENT STATE       says how long the comparison took without the imports
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BINS = 100


def values(column: pa.ChunkedArray) -> np.ndarray:
    numbers = column.cast(pa.float64()).to_numpy()
    return numbers[np.isfinite(numbers)]


def counts(column: pa.ChunkedArray) -> dict[str, int]:
    return {c["values"]: c["counts"] for c in pc.value_counts(column.drop_null()).to_pylist()}


def prepare(table: pa.Table) -> dict:
    state = {}
    for name in table.column_names[:-1]:
        column = table[name]
        if pa.types.is_string(column.type):
            state[name] = counts(column)
        else:
            numbers = values(column)
            edges = np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)))
            cells = np.searchsorted(edges, numbers)
            state[name] = edges, np.bincount(cells, minlength=len(edges) + 1)
    return state


def psi(p: np.ndarray, q: np.ndarray) -> float:
    p, q = (p + 0.5) / (p + 0.5).sum(), (q + 0.5) / (q + 0.5).sum()
    return float(((p - q) * np.log(p / q)).sum())


def compare(table: pa.Table, state: dict) -> dict[str, tuple[float, float]]:
    found = {}
    for name, known in state.items():
        column = table[name]
        if isinstance(known, dict):
            now = counts(column)
            names = list(known | now)
            p, q = (np.array([c.get(n, 0) for n in names]) for c in (known, now))
            both = (p + q) / (p.sum() + q.sum())
            value = float(((p - p.sum() * both) ** 2 / (p.sum() * both)).sum())
        else:
            edges, p = known
            q = np.bincount(np.searchsorted(edges, values(column)), minlength=len(edges) + 1)
            value = float(np.abs(p.cumsum() / p.sum() - q.cumsum() / q.sum()).max())
        found[name] = value, psi(p, q)
    return found


what, file, kept = sys.argv[1:]
if what == "prepare":
    np.savez(kept, state=np.array(prepare(pq.read_table(file)), dtype=object))
else:
    started = time.perf_counter()
    state = np.load(kept, allow_pickle=True)["state"].item()
    found = compare(pq.read_table(file, columns=list(state)), state)
    print(json.dumps({"seconds": time.perf_counter() - started, "columns": len(found)}))
