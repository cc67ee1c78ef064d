"""Nested row expressions as a user would write them, from the checker's own table of operations."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, datetime

from hypothesis import strategies as st

from extremes import EXTREMES
from mlops_cli.expressions.tree import VALUE_TYPES, Node, ValueType
from mlops_cli.features.operations import (
    FUNCTIONS,
    OPERATIONS,
    PART_NAMES,
    Overload,
)

COLUMNS: dict[str, ValueType] = {
    **{f"{t[0]}{i}": t for t in ("boolean", "integer", "float", "date") for i in range(2)},
    **dict.fromkeys(("text", "a b", "select"), "text"),
    **dict.fromkeys(("at", "t1"), "timestamp"),
    'qu"ote': "integer",
    "größe": "float",
}
PATTERNS = ("", "%", "a%", "%b", "_", "%_%", "%%a%", "e_", "[a]", "20__-%", "Ü%")
_SIGNS = {
    "add": ["+"], "sub": ["-"], "mul": ["*"], "div": ["/"], "int_div": ["//"], "mod": ["%"],
    "pow": ["**", "^"], "eq": ["=", "=="], "ne": ["<>", "!="], "lt": ["<"], "le": ["<="],
    "gt": [">"], "ge": [">="], "and": ["and"], "or": ["or"], "join": ["||"],
    "is_distinct": ["is distinct from"], "is_not_distinct": ["is not distinct from"],
}  # fmt: skip
_CASTS = {
    "to_integer": ["bigint", "integer", "int"],
    "to_float": ["double", "float"],
    "to_text": ["varchar", "text"],
    "to_boolean": ["boolean"],
    "to_date": ["date"],
    "to_timestamp": ["timestamp"],
}
_CALLED: dict[str, list[str]] = {}
for _name, _op in FUNCTIONS.items():
    _CALLED.setdefault(_op, []).append(_name)
_WIDER: dict[ValueType, ValueType] = {"float": "integer", "timestamp": "date"}


def _signatures() -> dict[ValueType, list[tuple[str, Overload]]]:
    """The operations that give a type, with their signatures."""
    found: dict[ValueType, list[tuple[str, Overload]]] = {t: [] for t in VALUE_TYPES}
    for op, overloads in OPERATIONS.items():
        for o in overloads:
            for t in VALUE_TYPES if o.result == "any" else (o.result,):
                found[t].append((op, o))
    return found


_GIVING = _signatures()


def expressions(deepest: int = 5) -> st.SearchStrategy[str]:
    """Expressions of any type, nested `deepest` levels at the most; every choice can be shrunk."""
    return st.randoms(use_true_random=False).map(lambda chance: expression(chance, deepest))


def expression(chance: random.Random, deepest: int) -> str:
    """One expression of any type, by `chance`."""
    return _Writer(chance).of(chance.choice(VALUE_TYPES), chance.randint(1, deepest))


def every_signature(seed: int = 0) -> list[str]:
    """An expression of columns for each operation and each signature of it."""
    writer = _OfColumns(random.Random(seed))
    return [
        writer.operation(op, overload, kind)
        for op, overloads in OPERATIONS.items()
        for overload in overloads
        for kind in (VALUE_TYPES if "any" in overload.args else VALUE_TYPES[:1])
    ]


class _Writer:
    """Writes an expression of a wanted type."""

    def __init__(self, chance: random.Random) -> None:
        self._random = chance
        self._one = chance.choice

    def _chance(self, of: int) -> bool:
        return self._random.randrange(of) == of - 1

    def of(self, kind: ValueType, depth: int) -> str:
        """An expression of `kind`, or of a type that becomes `kind` by itself."""
        if kind in _WIDER and self._chance(8):
            kind = _WIDER[kind]
        if depth <= 0 or self._chance(8):
            return self._leaf(kind)
        if self._chance(10):
            return self._case(kind, depth - 1)
        op, overload = self._one(_GIVING[kind])
        free = kind if overload.result == "any" else self._one(VALUE_TYPES)
        return self._operation(op, overload, free, depth - 1)

    def _leaf(self, kind: ValueType) -> str:
        if self._chance(3):
            return self._literal(kind)
        return self._column(kind)

    def _column(self, kind: ValueType) -> str:
        names = [name for name, t in COLUMNS.items() if t == kind]
        return '"' + self._one(names).replace('"', '""') + '"'

    def _literal(self, kind: ValueType) -> str:
        if self._chance(10):
            return f"cast(null as {_CASTS[f'to_{kind}'][0]})"
        finite = [v for v in EXTREMES[kind] if v == v and v not in (1e999, -1e999, -(2**63))]
        value = self._one(finite)
        if isinstance(value, str):
            return "'" + value.replace("'", "''") + "'"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, datetime):
            return f"cast('{value.isoformat(sep=' ')}' as timestamp)"
        if isinstance(value, date):
            return f"cast('{value.isoformat()}' as date)"
        return repr(value)

    def _case(self, kind: ValueType, depth: int) -> str:
        form = self._one(["case", "if", "subject"])
        if form == "if":
            parts = [self.of("boolean", depth), self.of(kind, depth), self.of(kind, depth)]
            return f"if({', '.join(parts)})"
        subject = self._one(VALUE_TYPES) if form == "subject" else None
        head = f"case {self.of(subject, depth)}" if subject else "case"
        for _ in range(self._random.randint(1, 2)):
            head += f" when {self.of(subject or 'boolean', depth)} then {self.of(kind, depth)}"
        last = self._one(["", " else null", f" else {self.of(kind, depth)}"])
        return f"{head}{last} end"

    def _operation(self, op: str, overload: Overload, free: ValueType, depth: int) -> str:
        count = len(overload.args) + (self._random.randint(0, 2) if overload.repeats else 0)
        slots = overload.slots(count) or ()
        args = [self.of(free if s == "any" else s, depth) for s in slots]
        if len(args) > 1 and "any" in overload.args and self._chance(20):
            args[-1] = "null"
        return self._written(op, args)

    def _written(self, op: str, args: list[str]) -> str:
        if op in _SIGNS:
            return f"({args[0]} {self._one(_SIGNS[op])} {args[1]})"
        if op in _CASTS:
            return self._cast(self._one(_CASTS[op]), args[0])
        if op == "like":
            negated = self._one(["", "not "])
            return f"({args[0]} {negated}like '{self._one(PATTERNS)}')"
        if op == "round_to":
            return f"round({args[0]}, {self._random.randint(-15, 15)})"
        if (special := _SPECIAL.get(op)) is not None:
            return special(args)
        if op.startswith("date_"):
            name, _, unit = op.rpartition("_")
            return f"{self._one([name, name.replace('_', '')])}('{unit}', {', '.join(args)})"
        return self._call(op, args)

    def _cast(self, kind: str, arg: str) -> str:
        form = self._one(["cast({} as {})", "try_cast({} as {})", "({})::{}"])
        return form.format(arg, kind)

    def _call(self, op: str, args: list[str]) -> str:
        parts = [part for part, means in PART_NAMES.items() if means == op]
        form = self._random.randint(0, 2) if parts else 0
        if form == 1:
            return f"extract({self._one(parts)} from {args[0]})"
        if form == 2:
            return f"date_part('{self._one(parts)}', {args[0]})"
        return f"{self._one(_CALLED[op])}({', '.join(args)})"


class _OfColumns(_Writer):
    def operation(self, op: str, overload: Overload, free: ValueType) -> str:
        """One operation; what may be of any type is of the type `free`."""
        return self._operation(op, overload, free, 0)

    def _leaf(self, kind: ValueType) -> str:
        return self._column(kind)


_SPECIAL: dict[str, Callable[[list[str]], str]] = {
    "neg": lambda a: f"(- {a[0]})",
    "not": lambda a: f"(not {a[0]})",
    "is_null": lambda a: f"({a[0]} is null)",
    "between": lambda a: f"({a[0]} between {a[1]} and {a[2]})",
    "in": lambda a: f"({a[0]} in ({', '.join(a[1:])}))",
}


def nodes(tree: Node) -> Iterator[Node]:
    """Every node of a tree."""
    yield tree
    for arg in tree.args:
        yield from nodes(arg)


def rows(count: int, seed: int) -> dict[str, list[object]]:
    """So many rows of every column: extremes, ordinary values and nulls, by a seed."""
    chance = random.Random(seed)
    return {name: [_cell(chance, kind) for _ in range(count)] for name, kind in COLUMNS.items()}


def _cell(chance: random.Random, kind: ValueType) -> object:
    at = chance.random()
    if at < 0.08:
        return None
    return chance.choice(EXTREMES[kind]) if at < 0.6 else _ORDINARY[kind](chance)


_ORDINARY: dict[ValueType, Callable[[random.Random], object]] = {
    "boolean": lambda r: r.random() < 0.5,
    "integer": lambda r: r.choice([r.randint(-40, 40), r.randint(1, 3000), r.getrandbits(62)]),
    "float": lambda r: r.choice(
        [r.gauss(0, 10), round(r.gauss(0, 100), 1), float(r.randint(-9, 9)), r.gauss(0, 1e17)]
    ),
    "text": lambda r: "".join(r.choices(" aAbBZz019-:.%_éßİΣ漢\u00a0", k=r.randint(0, 6))),
    "date": lambda r: date.fromordinal(
        r.choice([r.randint(730000, 740000), r.randint(1, 3652059)])
    ),
    "timestamp": lambda r: datetime(
        r.choice([r.randint(1990, 2030), r.randint(1, 9999)]),
        r.randint(1, 12),
        r.randint(1, 28),
        *(
            r.randint(0, 23),
            r.randint(0, 59),
            r.randint(0, 59),
            r.choice([0, 0, r.randint(0, 999999)]),
        ),
    ),
}
