"""Give an operation its types: pick the overload that its arguments fit, and convert them."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_cli.errors import UsageError
from mlops_cli.expressions.text import text_to_date, text_to_timestamp
from mlops_cli.expressions.tree import Node, ValueType
from mlops_cli.features.operations import OPERATIONS, Overload

_WIDER: dict[tuple[ValueType, ValueType], str] = {
    ("integer", "float"): "to_float",
    ("date", "timestamp"): "to_timestamp",
}
_DAYS = "`date_diff('day', a, b)` makes a number of two moments, `year(x)` or `epoch(x)` of one"
_CASTS: dict[tuple[ValueType, str], str] = {
    ("float", "integer"): "`cast(x as bigint)` rounds a float to a whole number",
    ("text", "float"): "`cast(x as double)` reads a number from text",
    ("text", "integer"): "`cast(x as bigint)` reads a whole number from text",
    ("text", "date"): "`cast(x as date)` reads a date (ISO 8601) from text",
    ("text", "timestamp"): "`cast(x as timestamp)` reads a moment (ISO 8601) from text",
    ("text", "boolean"): "`cast(x as boolean)` reads true and false from text",
    ("boolean", "integer"): "`cast(x as integer)` makes 0 and 1 of a boolean",
    ("boolean", "float"): "`cast(x as integer)` makes 0 and 1 of a boolean",
    ("integer", "boolean"): "`x <> 0` makes a boolean of a number",
    ("float", "boolean"): "`x <> 0` makes a boolean of a number",
    ("integer", "text"): "`cast(x as text)` writes a whole number as text",
    ("timestamp", "date"): "`cast(x as date)` is the day of a moment",
    ("date", "integer"): _DAYS,
    ("date", "float"): _DAYS,
    ("timestamp", "integer"): _DAYS,
    ("timestamp", "float"): _DAYS,
}
"""What makes one type of another that does not become it by itself."""
_MOMENTS: tuple[ValueType, ...] = ("date", "timestamp")


def constant(value: bool | int | float | str | None, kind: ValueType) -> Node:
    """A literal; null may have any type, and takes that of its surroundings."""
    return Node("literal", kind, value=value)


def operation(op: str, args: Sequence[Node], *, called: str | None = None) -> Node:
    """The node of `op` on `args`, which are converted where nothing is lost by it.

    Raises `UsageError` naming what was `called` and the types that it was given and takes.
    """
    for convert in (False, True):
        for overload in OPERATIONS[op]:
            made = _apply(op, overload, args, convert=convert)
            if made is not None:
                return made
    given = ", ".join("null" if is_null(a) else a.type for a in args)
    takes = " or ".join(f"({_shown(o)})" for o in OPERATIONS[op])
    raise UsageError(f"{called or op} was given ({given}) and takes {takes}", hint=_hint(op, args))


def common_type(args: Sequence[Node]) -> ValueType | None:
    """The one type that all can have without loss (integer < float, date < timestamp), or None.

    A text literal that is an ISO 8601 date or timestamp may stand for one beside another.
    """
    types = {a.type for a in args if not is_null(a)}
    moments = types & set(_MOMENTS)
    if moments and all(_is_moment(a) for a in args if a.type == "text" and not is_null(a)):
        types -= {"text"}
    if types == {"integer", "float"}:
        return "float"
    if types == {"date", "timestamp"} or (moments and _has_clock(args)):
        return "timestamp" if types <= set(_MOMENTS) else None
    if len(types) > 1:
        return None
    return next(iter(types), None) or _type_of_nulls(args)


def convert_to(node: Node, kind: ValueType) -> Node | None:
    """`node` as a value of `kind`, where that loses nothing; else None."""
    if node.type == kind:
        return node
    if is_null(node):
        return constant(None, kind)
    if node.op == "literal" and node.type == "integer" and kind == "float":
        return constant(float(str(node.value)), "float")
    if node.op == "literal" and node.type == "text" and kind in _MOMENTS:
        return moment(str(node.value), kind)
    wider = _WIDER.get((node.type, kind))
    return Node(wider, kind, (node,)) if wider else None


def moment(text: str, kind: ValueType) -> Node | None:
    """The date or (naive, UTC) timestamp that an ISO 8601 literal means; None for other text."""
    if kind == "date":
        day = text_to_date(text)
        return None if day is None else constant(day.isoformat(), "date")
    when = text_to_timestamp(text)
    return None if when is None else constant(when.isoformat(sep=" "), "timestamp")


def is_null(node: Node) -> bool:
    """Whether the node is the literal null."""
    return node.op == "literal" and node.value is None


def _apply(op: str, overload: Overload, args: Sequence[Node], *, convert: bool) -> Node | None:
    slots = overload.slots(len(args))
    if slots is None:
        return None
    free = [arg for arg, slot in zip(args, slots, strict=True) if slot == "any"]
    shared = common_type(free)
    if shared is None:
        return None
    made: list[Node] = []
    for arg, slot in zip(args, slots, strict=True):
        wanted = shared if slot == "any" else slot
        fits = convert or slot == "any" or is_null(arg) or arg.type == wanted
        converted = convert_to(arg, wanted) if fits else None
        if converted is None:
            return None
        made.append(converted)
    return Node(op, shared if overload.result == "any" else overload.result, tuple(made))


def _type_of_nulls(args: Sequence[Node]) -> ValueType:
    """What a cast said that they are; a bare null stands as an integer."""
    return next((a.type for a in args if a.type != "integer"), "integer")


def _is_moment(node: Node) -> bool:
    return node.op == "literal" and moment(str(node.value), "timestamp") is not None


def _has_clock(args: Sequence[Node]) -> bool:
    texts = [a for a in args if a.op == "literal" and a.type == "text" and not is_null(a)]
    return any(moment(str(a.value), "date") is None for a in texts)


def _shown(overload: Overload) -> str:
    return ", ".join(overload.args) + (", ..." if overload.repeats else "")


def _hint(op: str, args: Sequence[Node]) -> str:
    """The cast that makes the arguments fit; of several overloads the most general is the last."""
    for overload in reversed(OPERATIONS[op]):
        slots = overload.slots(len(args)) or ()
        wrong = [
            (arg.type, slot)
            for arg, slot in zip(args, slots, strict=False)
            if slot != "any" and convert_to(arg, slot) is None
        ]
        if wrong and all(pair in _CASTS for pair in wrong):
            return "; ".join(dict.fromkeys(_CASTS[pair] for pair in wrong))
    return (
        "give the arguments other types by casts; docs/reference/expressions.md lists what there is"
    )
