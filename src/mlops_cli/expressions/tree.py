"""A row expression as data: the tree that featurize renders to SQL and the server compiles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

ValueType = Literal["boolean", "integer", "float", "text", "date", "timestamp"]
VALUE_TYPES: tuple[ValueType, ...] = get_args(ValueType)


class Node(msgspec.Struct, frozen=True, omit_defaults=True):
    """One node: a column, a literal, or an operator of the closed set on its arguments.

    `type` is the type of the node's value; `value` is the column's name, or the literal
    (dates and timestamps as ISO 8601 text).
    """

    op: str
    type: ValueType
    args: tuple[Node, ...] = ()
    value: bool | int | float | str | None = None


class FeatureTree(msgspec.Struct, frozen=True):
    """A feature's name and the tree that computes it; a plain column is a tree of one node."""

    name: str
    tree: Node


def columns_of(node: Node) -> Iterable[str]:
    """The columns that a tree reads, in the order of their first use."""
    if node.op == "column":
        return (str(node.value),)
    return dict.fromkeys(name for arg in node.args for name in columns_of(arg))


class FeatureTrees(msgspec.Struct, frozen=True):
    """The content of `features.json`, in the manifest's order of features."""

    features: tuple[FeatureTree, ...]
