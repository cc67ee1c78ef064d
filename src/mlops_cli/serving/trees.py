"""What trees of a model file must be before a library follows them, which checks no bound."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def check_paths(children: Numbers) -> None:
    """Hold nodes to it that every way through them ends; raises `ValueError`.

    `children` are those of n nodes, of any number of trees, as indices below n; shape (n, 2), -1
    for none. Where every child stands behind its parent, as libraries write trees, there is no
    cycle. Else nodes that have no parent left are taken away, again and again (Kahn 1962): what
    stays is one.
    """
    n = len(children)
    known = children[children != -1]
    if known.size and (known.min() < 0 or known.max() >= n):
        raise ValueError("a node's child does not exist")
    if ((children == -1) | (children > np.arange(n)[:, None])).all():
        return
    parents = np.bincount(known, minlength=n)
    left, free = n, np.flatnonzero(parents == 0)
    while free.size:
        left -= free.size
        below = children[free].ravel()
        below = below[below != -1]
        np.subtract.at(parents, below, 1)
        free = np.unique(below[parents[below] == 0])
    if left:
        raise ValueError("a way through a tree is a cycle")
