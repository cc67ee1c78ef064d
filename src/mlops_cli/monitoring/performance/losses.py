"""What a regression's errors will be, by where its rows fall in a small tree of losses.

Direct loss estimation: the loss on rows that no fit has seen is learned by the features and the
prediction. The tree is grown on one half of them, and its leaves tell of the other half (honest
trees, Athey and Imbens 2016, PNAS 113), so that they promise no more than the rows hold.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.profile import LossLeaf, LossTree
from mlops_cli.monitoring.performance.calibration import inflation
from mlops_cli.monitoring.performance.estimate import Estimated, between
from mlops_cli.monitoring.sklearn import Split, split_by

Numbers = NDArray[np.float64]

LEAVES = 48
_FARTHEST = float(np.finfo(np.float32).max)  # as JSON has no infinity
ROWS = 40  # of a leaf, in the half that the tree is grown on


def losses_of(
    features: Numbers,
    target: Numbers,
    predictions: Numbers,
    groups: NDArray[np.int64] | None = None,
) -> LossTree:
    """Learn from unseen rows: `features` of shape (n, f), the others of shape (n,), n > 0.

    Missing features are NaN; `groups` are codes of the subjects that rows are about, if any are
    known. The same rows give the same tree.
    """
    tree = _grown(features, target, predictions)
    if groups is None:
        return tree
    size = np.abs(target - predictions)
    mean, spread = np.array([leaf.absolute for leaf in tree.leaves]).T
    at = leaf_of(tree, features, predictions)
    of_groups = inflation(size - mean[at], float((spread[at] ** 2).sum()), groups)
    return msgspec.structs.replace(tree, inflation=of_groups)


def _grown(features: Numbers, target: Numbers, predictions: Numbers) -> LossTree:
    values = np.column_stack([features, predictions])
    error = target - predictions
    half = np.random.default_rng(0).permutation(len(error)) < len(error) // 2
    if half.sum() < 2 * ROWS:
        return LossTree((-1,), (0.0,), ((0, 0),), (False,), (_leaf(error),))
    size = np.abs(error[half])
    capped = np.minimum(size, np.quantile(size, 0.99))  # one wild row is no reason for a leaf
    nodes = split_by(values[half], capped, leaves=LEAVES, rows=ROWS)
    leaf_nodes = [n for n, node in enumerate(nodes) if node[0] < 0]
    ends = {node: i for i, node in enumerate(leaf_nodes)}
    tree = LossTree(
        column=tuple(node[0] for node in nodes),
        threshold=tuple(_threshold(node) for node in nodes),
        child=tuple((ends[i], 0) if n[0] < 0 else (n[2], n[3]) for i, n in enumerate(nodes)),
        missing_first=tuple(node[4] and node[0] >= 0 for node in nodes),
        leaves=(),
    )
    at = leaf_of(tree, features, predictions)
    leaves = tuple(_leaf(_enough(error, at == i, half)) for i in range(len(ends)))
    return msgspec.structs.replace(tree, leaves=leaves)


def _threshold(node: Split) -> float:
    """Infinite where missing values part from all others; no float32 is beyond what stands then."""
    return min(node[1], _FARTHEST) if node[0] >= 0 else 0.0


def leaf_of(tree: LossTree, features: Numbers, predictions: Numbers) -> NDArray[np.int64]:
    """The leaf of each row, shape (n,)."""
    values = np.column_stack([features, predictions]).astype(np.float32)
    columns, children = np.asarray(tree.column), np.asarray(tree.child)
    thresholds, missing = np.asarray(tree.threshold), np.asarray(tree.missing_first)
    rows = np.arange(len(values))
    node = np.zeros(len(values), dtype=np.int64)
    while (inner := columns[node] >= 0).any():
        value = values[rows, np.where(inner, columns[node], 0)]
        first = np.where(np.isnan(value), missing[node], value <= thresholds[node])
        node = np.where(inner, children[node, np.where(first, 0, 1)], node)
    return np.asarray(children[node, 0])


def estimate_losses(
    tree: LossTree, features: Numbers, predictions: Numbers
) -> dict[str, Estimated]:
    """`mae`, `rmse` and `r2` of a window without labels, by name; none of an empty one.

    The interval is that of the window's own value: the spread of its rows' losses, and what the
    leaves' means leave open. That of `r2` takes the target's spread as known.
    """
    if not len(predictions):
        return {}
    counts = np.bincount(leaf_of(tree, features, predictions), minlength=len(tree.leaves))
    absolute, of_absolute = _expected(tree, counts, "absolute")
    square, of_square = _expected(tree, counts, "square")
    root = math.sqrt(square)
    found = {
        "mae": between("mae", absolute, of_absolute),
        "rmse": between("rmse", root, of_square / (2 * root) if root else 0.0),
    }
    spread = _spread_of_target(tree, leaf_of(tree, features, predictions), predictions)
    if spread > 0:
        loss = between("rmse", square / spread, of_square / spread)
        found["r2"] = Estimated(1 - loss.value, 1 - loss.high, 1 - loss.low)
    return found


def _enough(error: Numbers, here: NDArray[np.bool_], half: NDArray[np.bool_]) -> Numbers:
    honest = error[here & ~half]
    return honest if len(honest) >= ROWS // 4 else error[here]


def _leaf(error: Numbers) -> LossLeaf:
    return LossLeaf(
        rows=len(error),
        error=_moments(error),
        absolute=_moments(np.abs(error)),
        square=_moments(error**2),
    )


def _moments(values: Numbers) -> tuple[float, float]:
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(f"{values.mean():.8g}"), float(f"{spread:.8g}")


def _expected(tree: LossTree, counts: NDArray[np.int64], loss: str) -> tuple[float, float]:
    """The mean loss of rows that fall into the leaves so often, and its standard error."""
    mean, spread = np.array([getattr(leaf, loss) for leaf in tree.leaves]).T
    rows = np.array([leaf.rows for leaf in tree.leaves])
    share = counts / counts.sum()
    variance = (share * spread**2).sum() / counts.sum() + (share**2 * spread**2 / rows).sum()
    return float(share @ mean), math.sqrt(tree.inflation * float(variance))


def _spread_of_target(tree: LossTree, at: NDArray[np.int64], predictions: Numbers) -> float:
    """The variance of the targets to be expected: of their means, and of errors around these."""
    error = np.array([leaf.error[0] for leaf in tree.leaves])
    square = np.array([leaf.square[0] for leaf in tree.leaves])
    around = float(np.maximum(square - error**2, 0.0)[at].mean())
    return float(np.var(predictions + error[at])) + around
