"""Read a row expression: DuckDB's dialect by sqlglot, cut down to the closed set, with types."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError

from mlops_cli.errors import UsageError
from mlops_cli.expressions.tree import Node, ValueType
from mlops_cli.features.operations import (
    DIFFERENCES,
    FUNCTIONS,
    OPERATIONS,
    PART_NAMES,
    TRUNCATIONS,
)
from mlops_cli.features.typing import (
    common_type,
    constant,
    convert_to,
    is_null,
    moment,
    operation,
)

_LONGEST = 4000
_DEEPEST = 60
_LARGEST = 5000  # nodes; `case x when ...` repeats x in each branch, which nesting multiplies
_DOCS = "docs/reference/expressions.md lists what a row expression may use"


class _Closed(DuckDB):
    """DuckDB's syntax, but every call stays the plain call that was written.

    sqlglot's own function classes stand for many dialects; the meaning here is DuckDB's alone.
    """

    class Parser(DuckDB.Parser):  # type: ignore[misc, valid-type]  # sqlglot's metaclass sets it
        FUNCTIONS: ClassVar[dict[str, Callable[..., exp.Expr]]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[object, type[exp.Expr]]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., exp.Expr | None]]] = {
            k: v
            for k, v in DuckDB.Parser.FUNCTION_PARSERS.items()
            if k in ("CAST", "TRY_CAST", "EXTRACT")
        }
        NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., exp.Expr | None]]] = {
            k: v for k, v in DuckDB.Parser.NO_PAREN_FUNCTION_PARSERS.items() if k == "CASE"
        }


def parse(text: str, types: Mapping[str, ValueType]) -> Node:
    """The tree of one scalar expression over columns of the given types.

    Integers are 64 bits, a number with a point or an exponent is a double. Raises `UsageError`
    with the reason for whatever is not of the closed set; the caller names the key.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"the expression is longer than {_LONGEST} characters", hint=_DOCS)
    try:
        found = _Closed().parse(text)
    except (SqlglotError, RecursionError) as e:
        reason = str(e).splitlines()[0][:200] if str(e) else "too deep"
        odd = next((name for name in types if name in text and not name.isidentifier()), None)
        hint = f'write the column\'s name in double quotes: "{odd}"' if odd else _DOCS
        raise UsageError(f"{text[:80]!r} is not an expression: {reason}", hint=hint) from e
    if len(found) != 1 or found[0] is None:
        raise UsageError(f"{text[:80]!r} is not one expression", hint=_DOCS)
    if _depth(found[0]) > _DEEPEST:
        raise UsageError(f"the expression is nested deeper than {_DEEPEST}", hint=_DOCS)
    tree = _Reader(types).read(found[0])
    if _size(tree, {}) > _LARGEST:
        raise UsageError(f"the expression is larger than {_LARGEST} operations", hint=_DOCS)
    return tree


_BINARY: dict[type[exp.Expr], str] = {
    exp.Add: "add",
    exp.Sub: "sub",
    exp.Mul: "mul",
    exp.Div: "div",
    exp.IntDiv: "int_div",
    exp.Mod: "mod",
    exp.Pow: "pow",
    exp.EQ: "eq",
    exp.NEQ: "ne",
    exp.LT: "lt",
    exp.LTE: "le",
    exp.GT: "gt",
    exp.GTE: "ge",
    exp.NullSafeEQ: "is_not_distinct",
    exp.NullSafeNEQ: "is_distinct",
    exp.And: "and",
    exp.Or: "or",
    exp.DPipe: "join",
}
_SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "int_div": "//", "mod": "%", "pow": "**",
    "eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "join": "||",
    "is_not_distinct": "is not distinct from", "is_distinct": "is distinct from",
}  # fmt: skip
_REFUSED: dict[type[exp.Expr], str] = {
    exp.Window: "windows look at other rows, and a server sees one row",
    exp.Subquery: "subqueries look at other rows, and a server sees one row",
    exp.Select: "subqueries look at other rows, and a server sees one row",
    exp.Exists: "subqueries look at other rows, and a server sees one row",
    exp.Star: "`*` stands for many columns",
    exp.Interval: "intervals are not supported; use date_diff('hour', a, b)",
    exp.Alias: "an expression has no alias: its name is the key",
    exp.Placeholder: "there are no parameters to fill in",
    exp.Escape: "`like` has no `escape` here",
    exp.ILike: "`ilike` is not supported: use lower(x) like '...'",
}
_CALLS_REFUSED: dict[str, str] = {
    name: reason
    for reason, names in (
        (
            "aggregates look at other rows, and a server sees one row",
            "avg sum min max count median mode stddev variance first last list string_agg",
        ),
        (
            "windows look at other rows, and a server sees one row",
            "row_number rank dense_rank lag lead ntile first_value last_value",
        ),
        ("it is another value every time", "random uuid gen_random_uuid setseed"),
        (
            "the clock is not part of a row",
            "now today current_date current_timestamp get_current_timestamp get_current_time",
        ),
    )
    for name in names.split()
}
_TYPES: dict[str, ValueType] = {
    **dict.fromkeys(("INT", "BIGINT"), "integer"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "float"),
    **dict.fromkeys(("TEXT", "VARCHAR"), "text"),
    "BOOLEAN": "boolean",
    "DATE": "date",
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMPNTZ"), "timestamp"),
}


class _Reader:
    """Turns sqlglot's tree into ours, for columns of known types."""

    def __init__(self, types: Mapping[str, ValueType]) -> None:
        self._types = types
        self._special: dict[type[exp.Expr], Callable[..., Node]] = {
            exp.Paren: lambda e: self.read(e.this),
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.Boolean: lambda e: constant(bool(e.this), "boolean"),
            exp.Null: lambda e: constant(None, "integer"),
            exp.Neg: self._negative,
            exp.Not: lambda e: operation("not", [self.read(e.this)]),
            exp.Is: self._is,
            exp.In: self._in,
            exp.Between: self._between,
            exp.Like: self._like,
            exp.Case: self._case,
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Extract: lambda e: self._part(e.this.name, e.expression),
            exp.Anonymous: self._call,
        }

    def read(self, e: exp.Expr) -> Node:
        """One node and all below it."""
        if type(e) in _BINARY:
            op = _BINARY[type(e)]
            args = [self.read(e.this), self.read(e.expression)]
            return operation(op, args, called=f"`{_SIGNS.get(op, op)}`")
        if (special := self._special.get(type(e))) is not None:
            return special(e)
        reason = _REFUSED.get(type(e), "it is not of the closed set")
        raise UsageError(f"{_shown(e)} is not allowed: {reason}", hint=_DOCS)

    def _column(self, e: exp.Column) -> Node:
        name = e.name
        if e.table or not isinstance(e.this, exp.Identifier):
            whole = ".".join(part.name for part in e.parts)
            hint = f'write "{whole}", in double quotes' if whole in self._types else _DOCS
            raise UsageError(f"{_shown(e)} is not a column's name", hint=hint)
        if name in self._types:
            return Node("column", self._types[name], value=name)
        if name.lower() in _CALLS_REFUSED:
            raise UsageError(f"{name} is not allowed: {_CALLS_REFUSED[name.lower()]}", hint=_DOCS)
        raise unknown_column(name, self._types)

    def _literal(self, e: exp.Literal) -> Node:
        if e.is_string:
            return constant(e.name, "text")
        if not e.name.isdigit():
            return constant(_finite(e.name), "float")
        if int(e.name) >= 2**63:
            raise UsageError(f"{e.name} does not fit 64 bits", hint="write it with a decimal point")
        return constant(int(e.name), "integer")

    def _negative(self, e: exp.Neg) -> Node:
        inner = self.read(e.this)
        if inner.op == "literal" and isinstance(inner.value, int | float):
            return operation("neg", [inner]) if inner.type == "boolean" else _negated(inner)
        return operation("neg", [inner], called="`-`")

    def _is(self, e: exp.Is) -> Node:
        if isinstance(e.expression, exp.Null):
            return operation("is_null", [self.read(e.this)])
        return operation("is_not_distinct", [self.read(e.this), self.read(e.expression)])

    def _in(self, e: exp.In) -> Node:
        if not e.expressions:
            raise UsageError("`in` takes a list of values in parentheses", hint=_DOCS)
        args = [self.read(x) for x in (e.this, *e.expressions)]
        return operation("in", args, called="`in`")

    def _between(self, e: exp.Between) -> Node:
        if e.args.get("symmetric"):
            raise UsageError("`between symmetric` is not allowed", hint=_DOCS)
        args = [self.read(e.this), self.read(e.args["low"]), self.read(e.args["high"])]
        return operation("between", args, called="`between`")

    def _like(self, e: exp.Like) -> Node:
        made = operation("like", [self.read(e.this), self.read(e.expression)], called="`like`")
        if made.args[1].op != "literal":
            raise UsageError("the pattern of `like` must be a text literal", hint=_DOCS)
        return operation("not", [made]) if e.args.get("negate") else made

    def _case(self, e: exp.Case) -> Node:
        args: list[Node] = []
        subject = self.read(e.this) if e.this else None
        for branch in e.args["ifs"]:
            when = self.read(branch.this)
            when = when if subject is None else operation("eq", [subject, when], called="`case`")
            args += [when, self.read(branch.args["true"])]
        default = e.args.get("default")
        return _choice([*args, self.read(default) if default else constant(None, "integer")])

    def _cast(self, e: exp.Cast) -> Node:
        kind = _TYPES.get(e.to.this.name) if not e.to.expressions else None
        if kind is None:
            raise UsageError(
                f"{_shown(e)}: there is no cast to {e.to.sql(dialect='duckdb')}",
                hint="casts are to bigint, double, varchar, boolean, date and timestamp",
            )
        return _cast_to(self.read(e.this), kind)

    def _part(self, name: str, of: exp.Expr) -> Node:
        part = _known(name, PART_NAMES, "part of a date")
        return operation(PART_NAMES[part], [self.read(of)], called=part)

    def _call(self, e: exp.Anonymous) -> Node:
        name = str(e.this).lower()
        args = e.expressions
        if name in _CALLS_REFUSED:
            raise UsageError(f"{name}() is not allowed: {_CALLS_REFUSED[name]}", hint=_DOCS)
        if name == "if" and len(args) == 3:
            return _choice([self.read(a) for a in args])
        if name in ("date_part", "datepart") and len(args) == 2:
            return self._part(_text(args[0], name), args[1])
        if name in ("date_diff", "datediff", "date_trunc", "datetrunc") and len(args) > 1:
            return self._unit(name, _text(args[0], name), args[1:])
        op = FUNCTIONS[_known(name, FUNCTIONS, "function")]
        if op == "round" and len(args) == 2:
            return self._round(args)
        return operation(op, [self.read(a) for a in args], called=name)

    def _unit(self, name: str, unit: str, args: list[exp.Expr]) -> Node:
        trunc = name.endswith("trunc")
        unit = _known(unit, TRUNCATIONS if trunc else DIFFERENCES, f"unit of {name}")
        op = f"date_trunc_{unit}" if trunc else f"date_diff_{unit}"
        return operation(op, [self.read(a) for a in args], called=name)

    def _round(self, args: list[exp.Expr]) -> Node:
        value, digits = (self.read(a) for a in args)
        if digits.op != "literal" or not isinstance(digits.value, int) or abs(digits.value) > 15:
            raise UsageError("round(x, n): n must be a whole number from -15 to 15", hint=_DOCS)
        return operation("round_to", [value, digits], called="round")


def unknown_column(name: str, known: Iterable[str]) -> UsageError:
    """The error for a column that no table has, with the nearest name."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(list(known)[:20])}"
    return UsageError(f"no column `{name}`", hint=hint)


def _choice(args: list[Node]) -> Node:
    whens, thens = args[:-1:2], [*args[1:-1:2], args[-1]]
    kind = common_type(thens)
    if kind is None:
        raise UsageError(
            f"the values of `case` are of different types: {', '.join(t.type for t in thens)}",
            hint="cast them to one type",
        )
    made: list[Node] = []
    for when, then in zip(whens, thens, strict=False):
        made += [_as(when, "boolean", "a condition"), _as(then, kind, "a value")]
    return Node("case", kind, (*made, _as(thens[-1], kind, "a value")))


def _as(node: Node, kind: ValueType, what: str) -> Node:
    converted = convert_to(node, kind)
    if converted is None:
        raise UsageError(f"{what} of `case` must be {kind}, not {node.type}", hint=_DOCS)
    return converted


def _cast_to(node: Node, kind: ValueType) -> Node:
    if node.type == kind or is_null(node):
        return constant(None, kind) if is_null(node) else node
    if node.op == "literal" and node.type == "text" and kind in ("date", "timestamp"):
        found = moment(str(node.value), kind)
        if found is None:
            raise UsageError(f"{node.value!r} is not an ISO 8601 {kind} without a zone")
        return found
    if f"to_{kind}" not in OPERATIONS:
        raise UsageError(f"there is no cast to {kind}", hint=_DOCS)
    return operation(f"to_{kind}", [node], called=f"cast to {kind}")


def _negated(node: Node) -> Node:
    return constant(-node.value, node.type)  # type: ignore[operator]  # a number, by the caller


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise UsageError(f"{text} does not fit a double")
    return number


def _text(e: exp.Expr, name: str) -> str:
    if isinstance(e, exp.Literal) and e.is_string:
        return e.name
    raise UsageError(f"the first argument of {name} is a text literal, such as 'hour'", hint=_DOCS)


def _known(name: str, known: Iterable[str], what: str) -> str:
    lower = name.lower()
    if lower in known:
        return lower
    near = difflib.get_close_matches(lower, list(known), n=1, cutoff=0.6)
    hint = f"did you mean `{near[0]}`? " if near else ""
    raise UsageError(f"unknown {what} `{lower[:60]}`", hint=hint + _DOCS)


def _shown(e: exp.Expr) -> str:
    return f"`{e.sql(dialect='duckdb')[:80]}`"


def _depth(e: exp.Expr) -> int:
    deepest, level = 0, [e]
    while level:
        deepest += 1
        level = [child for parent in level for child in parent.iter_expressions()]
    return deepest


def _size(node: Node, known: dict[int, int]) -> int:
    """Nodes of the tree as it is written out; a node that stands in many places is walked once."""
    if id(node) not in known:
        known[id(node)] = 1 + sum(_size(arg, known) for arg in node.args)
    return known[id(node)]
