"""Hold the served form to the original: at every split of every tree, and on the data's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_cli.errors import UsageError
from mlops_cli.importing.base import Original, refused
from mlops_cli.progress import Progress
from mlops_cli.serving.golden import ABSOLUTE, RELATIVE
from mlops_cli.training.tree_splits import Matrix, Numbers, Probe, probes, split_values

_BLOCK = 8192  # rows that are predicted at once
_MIXED = 4096  # rows of which each value is drawn by itself
_GAPS = 1024  # rows of the data of which some values are missing


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to be tried; `wide` are the same before they became float32, or None.

    `name` says which row one is, by its position.
    """

    matrix: Matrix
    name: Callable[[int], str]
    wide: Numbers | None = None
    probes: Sequence[Probe] = ()


@dataclass(frozen=True, slots=True)
class Proven:
    """On how many rows, of them how many made of the trees' splits, and the largest difference."""

    rows: int
    of_splits: int
    largest: float


Predict = Callable[[Matrix], Numbers]


def prove(
    original: Original,
    served: Predict,
    data: Numbers,
    names: Sequence[str],
    *,
    progress: Progress,
) -> Proven:
    """Hold `served` to the original on rows of the data (n, width) and rows made of its trees.

    Raises `UsageError` with the largest difference, by row and feature, where one is beyond 1e-6
    + 1e-5 |y|.
    """
    rows = of_splits = 0
    largest, worst = 0.0, None
    for part in _all_rows(original, data):
        progress.update(f"{rows:,} rows held to {original.form}")
        if not original.missing:
            part = _whole(part)
        if not len(part.matrix):
            continue
        wide = part.matrix.astype(np.float64) if part.wide is None else part.wide
        apart = np.abs(served(part.matrix) - (wanted := original.predict(wide)))
        rows += len(apart)
        of_splits += len(part.matrix) if part.probes else 0
        excess = apart - (ABSOLUTE + RELATIVE * np.abs(wanted))
        excess[~np.isfinite(excess)] = np.inf
        excess, apart = _by_row(excess), _by_row(apart)
        largest = max(largest, float(apart.max()))
        at = int(excess.argmax())
        if excess[at] > 0 and (worst is None or excess[at] > worst[0]):
            worst = (float(excess[at]), part, at)
    if worst is not None:
        raise _difference(original, served, worst[1], worst[2], names)
    return Proven(rows, of_splits, largest)


def _by_row(values: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = values if values.ndim == 1 else values.max(axis=1)
    return found


def _whole(part: Rows) -> Rows:
    keep = np.flatnonzero(~np.isnan(part.matrix).any(axis=1))
    return Rows(
        part.matrix[keep],
        lambda i: part.name(int(keep[i])),
        None if part.wide is None else part.wide[keep],
        [part.probes[i] for i in keep.tolist()] if part.probes else (),
    )


def _all_rows(original: Original, data: Numbers) -> Iterator[Rows]:
    narrow = data.astype(np.float32)
    for start in range(0, len(data), _BLOCK):
        yield _of_data(narrow, data, start)
    yield _mixed(original, narrow)
    yield _with_gaps(narrow)
    yield from _of_splits(original, narrow)


def _of_data(narrow: Matrix, data: Numbers, start: int) -> Rows:
    end = start + _BLOCK
    return Rows(narrow[start:end], lambda i: f"row {start + i} of the data", data[start:end])


def _mixed(original: Original, narrow: Matrix) -> Rows:
    """Rows of values from anywhere in the data, split points and their neighbours among them."""
    draw = np.random.default_rng(0)
    made = np.empty((_MIXED, original.width), np.float32)
    for j, near in enumerate(split_values(original.trees, original.width)):
        values = np.concatenate([narrow[:, j], np.repeat(near, 2), [0, np.nan]])
        made[:, j] = draw.choice(values.astype(np.float32), _MIXED)
    return Rows(made, lambda i: f"a row mixed of the data's values and of split points ({i})")


def _with_gaps(narrow: Matrix) -> Rows:
    draw = np.random.default_rng(1)
    made = narrow[draw.integers(0, len(narrow), _GAPS)].copy()
    made[draw.random(made.shape) < 0.3] = np.nan
    made[-1], made[-2] = np.nan, 0
    return Rows(made, lambda i: f"a row of the data with missing values ({i})")


def _of_splits(original: Original, narrow: Matrix) -> Iterator[Rows]:
    kept: list[Matrix] = []
    made_for: list[Probe] = []
    for number, tree in enumerate(original.trees):
        for matrix, probe in probes(number, tree, narrow):
            kept.append(matrix)
            made_for += [probe] * len(matrix)
            if len(made_for) >= _BLOCK:
                yield _probed(original, kept, made_for)
                kept, made_for = [], []
    if kept:
        yield _probed(original, kept, made_for)


def _probed(original: Original, kept: Sequence[Matrix], made_for: Sequence[Probe]) -> Rows:
    def name(i: int) -> str:
        probe = made_for[i]
        tree = original.trees[probe.tree]
        members = tree.members[probe.node]
        split = f"{tree.threshold[probe.node]!r}" if members is None else f"{sorted(members)[:5]}"
        return f"a row made for tree {probe.tree}, split {probe.node} at {split}"

    return Rows(np.concatenate(kept), name, probes=made_for)


def _difference(
    original: Original, served: Predict, part: Rows, at: int, names: Sequence[str]
) -> UsageError:
    row = part.matrix[at]
    wide = row.astype(np.float64) if part.wide is None else part.wide[at]
    found, wanted = served(row[None])[0], original.predict(wide[None])[0]
    feature = part.probes[at].feature if part.probes else _blamed(original, row, wide, wanted)
    hint = "what is served would be another model: train it again in a form that can be, see the "
    hint += "guide on importing"
    narrow = part.wide is not None and np.allclose(
        served(row[None])[0], original.predict(row[None].astype(np.float64))[0], RELATIVE, ABSOLUTE
    )
    why = " (its value is no 32-bit float, and the nearest one is across a split)" if narrow else ""
    if narrow:
        hint = f"give `{names[feature]}` in a smaller unit or from another start, and train again"
    return refused(
        f"{original.form} predicts {_shown(wanted)} and the served form {_shown(found)} for "
        f"{part.name(at)}, by the feature `{names[feature]}` = {float(wide[feature])!r}{why}",
        hint=hint,
    )


def _blamed(original: Original, row: Matrix, wide: Numbers, wanted: Numbers) -> int:
    """The feature to which the original is the most sensitive here, by its nearest float32s."""
    moved = np.repeat(wide[None], 3 * len(row), axis=0)
    for j, value in enumerate(row):
        near = [np.nextafter(value, np.float32(end)) for end in (-np.inf, np.inf)]
        moved[3 * j : 3 * j + 3, j] = [*near, value]
    with np.errstate(invalid="ignore"):
        apart = np.abs(original.predict(moved) - wanted)
    return int(_by_row(np.nan_to_num(apart)).argmax()) // 3


def _shown(value: Numbers) -> str:
    return f"{np.asarray(value).tolist()!r}"[:200]
