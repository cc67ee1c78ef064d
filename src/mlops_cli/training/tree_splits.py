"""A decision tree's splits, and rows that reach each of their sides, to the last float32."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tree:
    """The inner nodes of a tree, the root first; a negative child is a leaf.

    Node i reads `feature[i]`: at most (or below) `threshold[i]` goes to `left[i]`, as does a
    category among `members[i]`, which is None for a split of numbers.
    """

    feature: Sequence[int]
    threshold: Sequence[float]
    left: Sequence[int]
    right: Sequence[int]
    members: Sequence[frozenset[int] | None]


def check(tree: Tree, width: int, leaves: int) -> None:
    """Raise `ValueError` where a tree is none: each node and leaf is one's child, but for the root.

    Children stand behind their parents, features are below `width`, thresholds are numbers.
    """
    n = len(tree.feature)
    columns = (tree.threshold, tree.left, tree.right, tree.members)
    children = sorted([*tree.left, *tree.right])
    if any(len(column) != n for column in columns) or children != [
        *range(-leaves, 0),
        *range(1, n),
    ]:
        raise ValueError("its nodes are not those of one tree")
    if any(not 0 <= f < width for f in tree.feature):
        raise ValueError(f"it splits a feature that is none of the {width}")
    if any(t != t for t in tree.threshold):
        raise ValueError("a threshold is no number")
    pairs = zip(tree.left, tree.right, strict=True)
    if any(0 <= child <= i for i, pair in enumerate(pairs) for child in pair):
        raise ValueError("a node stands before its parent")


@dataclass(frozen=True, slots=True)
class Probe:
    """What a row was made for: the node of a tree, and the feature that it splits."""

    tree: int
    node: int
    feature: int


@dataclass(frozen=True, slots=True)
class _Range:
    """What a path lets a feature be: low < x <= high; a category: among, and none of."""

    low: float = -math.inf
    high: float = math.inf
    among: frozenset[int] | None = None
    none_of: frozenset[int] = frozenset()

    def holds(self, value: float) -> bool:
        """Whether the path lets the feature be `value`."""
        if self.among is not None:
            return value in self.among and value not in self.none_of
        return self.low < value <= self.high and value not in self.none_of

    def inside(self) -> float:
        """A value that the path lets the feature be."""
        if self.among is not None:
            return float(min(self.among - self.none_of, default=-1))
        if self.none_of:
            return float(next(i for i in range(len(self.none_of) + 1) if i not in self.none_of))
        if math.isinf(self.low):
            return self.high - 1 - abs(self.high) / 2
        if math.isinf(self.high):
            return self.low + 1 + abs(self.low) / 2
        return self.low / 2 + self.high / 2


_ANY = _Range()


def probes(number: int, tree: Tree, rows: Matrix) -> Iterator[tuple[Matrix, Probe]]:
    """For each split of a tree, rows (m, f) that reach it and go to both of its sides.

    They are made of `rows` (n, f), taken in turn: the path's other features are set to values that
    lead there, and the split's own feature in turn to the split point, its neighbours in float32,
    zero, and missing; of a category to each member, and some that are none.
    """
    waiting: list[tuple[int, dict[int, _Range]]] = [(0, {})] if len(tree.feature) else []
    turn = number
    with np.errstate(over="ignore"):
        while waiting:
            node, path = waiting.pop()
            feature = tree.feature[node]
            row = rows[turn % len(rows)].copy()
            turn += 1
            for j, allowed in path.items():
                if not allowed.holds(float(row[j])):
                    row[j] = allowed.inside()
            values = _values(tree, node)
            made = np.repeat(row[None], len(values), axis=0)
            made[:, feature] = values
            yield made, Probe(number, node, feature)
            before = path.get(feature, _ANY)
            sides = _sides(before, tree.threshold[node], tree.members[node])
            for child, side in zip((tree.left[node], tree.right[node]), sides, strict=True):
                if child >= 0:
                    waiting.append((child, {**path, feature: side}))


def split_values(trees: Sequence[Tree], width: int) -> list[NDArray[np.float32]]:
    """For each feature, every value at which some tree splits it, with its neighbours."""
    found: list[set[float]] = [set() for _ in range(width)]
    for tree in trees:
        for node, feature in enumerate(tree.feature):
            found[feature].update(_values(tree, node).tolist()[:3])
    return [np.array(sorted(v for v in values if v == v), np.float32) for values in found]


def _values(tree: Tree, node: int) -> NDArray[np.float32]:
    members = tree.members[node]
    if members is not None:
        most = max(members, default=0)
        others = [i for i in range(most + 2) if i not in members][:16]
        odd = [-1.0, math.nan, most + 0.5]
        return np.array([*sorted(members)[:64], *others, *odd], np.float32)
    at = np.float32(tree.threshold[node])
    ends = np.float32(-np.inf), np.float32(np.inf)
    near = [at, *(np.nextafter(at, end) for end in ends)]
    return np.array([*(v if np.isfinite(v) else 0 for v in near), 0, math.nan], np.float32)


def _sides(
    before: _Range, threshold: float, members: frozenset[int] | None
) -> tuple[_Range, _Range]:
    if members is None:
        return (
            _Range(before.low, min(before.high, threshold)),
            _Range(max(before.low, threshold), before.high),
        )
    among = members if before.among is None else members & before.among
    return (
        _Range(among=among, none_of=before.none_of),
        _Range(among=before.among, none_of=before.none_of | members),
    )
