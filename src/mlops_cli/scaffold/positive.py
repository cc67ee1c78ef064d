"""Which of two classes is the positive one: the one that `probability` is of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_cli.bundle.manifest import ClassLabel
from mlops_cli.expressions.tree import ValueType
from mlops_cli.scaffold.target import Target, readable
from mlops_cli.tables.base import Engine, literal

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN = 60  # characters of a label


@dataclass(frozen=True, slots=True)
class Positive:
    """The positive class and the other, as text that fits in one line.

    `turned` is the target that makes the other one positive; None where nobody would want it, or
    it cannot be written shortly.
    """

    label: str
    other: str
    turned: str | None

    @property
    def why(self) -> str:
        """What follows from it, and how to turn it."""
        if self.turned is None:
            return "`probability` is of it"
        return (
            f"the last of {self.other}, {self.label} in order: `probability` is of it; "
            f"of the other with target: {self.turned}"
        )


def positive_of(
    engine: Engine, relation: str, target: Target, types: Mapping[str, ValueType]
) -> Positive:
    """The positive class of a target with two values, as featurize orders them.

    `relation` is the table, typed; `types` its columns' types.
    """
    found = engine.rows(f"select distinct {target.sql} as t from {relation} where t is not null")
    negative, positive = sorted(_label(row[0]) for row in found)
    plain = isinstance(positive, bool) or (negative, positive) == (0, 1)
    turned = None if plain else _turned(target, negative, types)
    return Positive(_shown(positive), _shown(negative), turned)


def _label(value: ClassLabel | float) -> ClassLabel:
    return int(value) if isinstance(value, float) else value  # whole, or featurize refuses it


def _turned(target: Target, label: ClassLabel, types: Mapping[str, ValueType]) -> str | None:
    text = str(label)
    if len(text) > _SHOWN or not text.isprintable():
        return None
    names = (text, "positive", f"is_{target.name}", f"not_{target.name}")
    taken = {name.lower() for name in types}
    free = (n for n in names if _IDENTIFIER.fullmatch(n) and n.lower() not in taken)
    if (name := next(free, None)) is None:
        return None
    value = literal(text) if isinstance(label, str) else text
    source = f"({target.expression})" if target.expression else readable(target.name, types)
    return json.dumps(f"{name} = {source} = {value}", ensure_ascii=False) if source else None


def _shown(label: ClassLabel) -> str:
    text = str(label).lower() if isinstance(label, bool) else str(label)
    text = text if text.isprintable() else json.dumps(text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
