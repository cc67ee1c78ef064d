"""Would another fit go by the same features? Told between the fits whose average a model is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from mlops_cli.cores import cores
from mlops_cli.evaluation.explained import Stability
from mlops_cli.serving.ubjson import read_ubjson
from mlops_cli.serving.xgboost_library import Booster
from mlops_cli.training.ubjson import write_ubjson

Matrix = NDArray[np.float32]
Shares = NDArray[np.float64]


def stability_of(
    content: bytes, features: Sequence[str], rounds: Sequence[int], rows: Matrix
) -> Stability | None:
    """How far the fits of `rounds` rounds each, whose average a booster is, agree on these rows.

    `content` is the booster's file, with the fits' trees one after the other. None where it is one
    fit, or another booster.
    """
    fits = list(_fits(content, rounds)) if len(rounds) > 1 else []
    if not fits:
        return None
    shares = np.array([_shares(fit, rows) for fit in fits])
    ends = zip(features, shares.min(axis=0).tolist(), shares.max(axis=0).tolist(), strict=True)
    top = int(shares.mean(axis=0).argmax())
    return Stability(
        fits=len(fits),
        rank_correlation=_rank_correlation(shares),
        same_first=int((shares.argmax(axis=1) == top).sum()),
        shares={name: (low, high) for name, low, high in ends},
    )


def _fits(content: bytes, rounds: Sequence[int]) -> Iterator[bytes]:
    """Each fit's own trees as a booster; none where the file does not have so many rounds."""
    whole: Any = read_ubjson(content)
    forest = whole["learner"]["gradient_booster"].get("model", {})
    ends = [int(at) for at in forest.get("iteration_indptr", ())]
    trees, groups = forest.get("trees", ()), [int(k) for k in forest.get("tree_info", ())]
    if len(ends) != sum(rounds) + 1:
        return
    for start, end in pairwise(accumulate(rounds, initial=0)):
        own = slice(ends[start], ends[end])
        forest["trees"] = [{**tree, "id": i} for i, tree in enumerate(trees[own])]
        forest["tree_info"] = groups[own]
        forest["iteration_indptr"] = [at - ends[start] for at in ends[start : end + 1]]
        forest["gbtree_model_param"]["num_trees"] = str(len(forest["trees"]))
        yield write_ubjson(whole)


def _shares(content: bytes, rows: Matrix) -> Shares:
    """Each feature's share of what the fit goes by, shape (f,)."""
    booster = Booster(content, cores())
    found = booster.contributions(rows).astype(np.float64)
    parts = found.reshape(len(rows), -1, booster.width + 1)[:, :, :-1]
    sizes = np.abs(parts).sum(axis=1).mean(axis=0)
    return np.asarray(sizes / (sizes.sum() or 1.0))


def _rank_correlation(shares: Shares) -> float | None:
    """The mean of Spearman's correlation over all pairs; None of a single feature."""
    ranks = [rankdata(row) for row in shares]
    pairs = [(a, b) for a, b in combinations(ranks, 2) if np.ptp(a) and np.ptp(b)]
    if not pairs:
        return None
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))
