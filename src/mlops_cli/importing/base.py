"""What is known of a model that was trained elsewhere, whatever its library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops_cli.bundle.manifest import ClassLabel, ModelKind, Task
from mlops_cli.errors import UsageError

if TYPE_CHECKING:
    from mlops_cli.training.tree_splits import Numbers, Tree


@dataclass(frozen=True, slots=True)
class Original:
    """A model of `width` features as its own library has it, and its form for serving.

    `predict` takes float64 (n, width), missing values being NaN, and gives what `Model.predict`
    gives. `contents` are files (of `kind`) that may be served: the first that predicts the same is.
    `names` are its features' names, None
    where it has none; `categories` are the texts, in the order of their codes, of the features
    that the library coded itself, `coded` those whose numbers are codes. `classes` are the labels
    of `outputs` classes (0: a regression), None where the model does not hold them. `trees` are
    those that read the features as they are; `importance` is by feature, on any scale. `missing`
    says whether it takes missing values.
    """

    form: str
    kind: ModelKind
    contents: tuple[bytes, ...]
    task: Task
    width: int
    predict: Callable[[Numbers], Numbers]
    names: tuple[str, ...] | None = None
    classes: tuple[ClassLabel, ...] | None = None
    outputs: int = 0
    categories: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    coded: frozenset[int] = frozenset()
    trees: Sequence[Tree] = ()
    importance: Sequence[float] = ()
    missing: bool = True
    remarks: tuple[str, ...] = ()


def refused(why: str, *, hint: str) -> UsageError:
    """The error for a model that cannot be served exactly as its library predicts."""
    return UsageError(f"the model is not imported: {why}"[:800], hint=hint)
