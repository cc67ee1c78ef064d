"""Columns that change in mid-stream, held to the compatibility that the table's contract asks."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from mlops_cli.contracts.compatibility import Break, incompatible
from mlops_cli.contracts.model import Compatibility, Contract
from mlops_cli.errors import DataError
from mlops_cli.expressions.tree import ValueType

Written = Mapping[str, Mapping[str, str]]
"""The columns that each schema, by its number, was written by; `?` ends what may be absent."""

_TYPES: tuple[tuple[str, ValueType], ...] = (
    ("bool", "boolean"),
    ("int", "integer"),
    ("double", "float"),
    ("date", "date"),
    ("timestamp", "timestamp"),
)


def refuse_evolution(name: str, mode: Compatibility, before: Written, after: Written) -> None:
    """Raise `DataError` where a schema of `after` that is not in `before` breaks the mode.

    Schemas follow one another by their numbers. `name` is the table's.
    """
    if found := _first_break(mode, before, after):
        number, first = found
        raise DataError(
            f"{name}: schema {number} of the source breaks {mode}, which the table's contract "
            f"asks, against schema {first.version}: {first.column}, rule `{first.rule}`: "
            f"{first.why}",
            hint="let whoever writes it give the field a default or the type null, too, or "
            f"write `compatibility: NONE` into contracts/{name}.yaml",
        )


def refuse_columns(
    contract: Contract, name: str, before: Sequence[Mapping[str, str]], after: Mapping[str, str]
) -> None:
    """Raise `DataError` where the columns `after` break the contract's compatibility.

    Of a source that does not say which of its columns may be missing: the contract's `nullable`
    does, and of a column that it does not name any may. `before` are the columns of the parts that
    landed, oldest first; types are Arrow's.
    """
    mode, listed = contract.compatibility, contract.columns
    known = {column for columns in before for column in columns} | listed.keys()
    if new := [n for n in after if n not in known and contract.extra_columns == "refuse"]:
        raise DataError(
            f"{name}: the column {new[0]!r} is new in the source, and the table's contract refuses "
            "further ones",
            hint=f"add it to contracts/{name}.yaml, or take it out of the source",
        )
    if not before or before[-1] == after:
        return
    needed = {n for n, column in listed.items() if not column.nullable}
    every = [_told(columns, needed) for columns in (*before, _widened(before[-1], after))]
    numbered = {str(i): columns for i, columns in enumerate(_runs(every), 1)}
    earlier = {n: columns for n, columns in numbered.items() if n != str(len(numbered))}
    if found := _first_break(mode, earlier, numbered):
        _, first = found
        changed = first.rule == "type"
        fit = "`type: float`" if changed else f"`nullable: true` for {first.column!r}"
        raise DataError(
            f"{name}: the columns of the source have changed, and break {mode}, which the table's "
            f"contract asks: {first.column}, rule `{first.rule}`: {first.why}",
            hint=f"write {fit}, or `compatibility: NONE`, into contracts/{name}.yaml, or ingest it "
            "under another data.name",
        )


def _told(columns: Mapping[str, str], needed: Container[str]) -> dict[str, str]:
    """As `Written` has them; of what type a column of nulls is, nobody knows."""
    return {n: k if n in needed else f"{k}?" for n, k in columns.items() if k != "null"}


def _widened(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Whole numbers in a column of floats are floats that happen to be whole."""
    return {n: "double" if (before.get(n), k) == ("double", "int64") else k
            for n, k in after.items()}  # fmt: skip


def _runs(columns: Iterable[Mapping[str, str]]) -> Iterator[Mapping[str, str]]:
    """Without those that are the same as the ones before them."""
    return (columns for columns, _ in groupby(columns))


def _first_break(mode: Compatibility, before: Written, after: Written) -> tuple[int, Break] | None:
    """What a schema of `after` that is not in `before` breaks, with the number of that schema."""
    for number, contract, earlier in _followers(mode, before, after):
        if found := incompatible(contract, earlier):
            return number, found[0]
    return None


def _followers(
    mode: Compatibility, before: Written, after: Written
) -> Iterator[tuple[int, Contract, dict[int, Contract]]]:
    """Each schema that is new, or follows a new one, and those before it."""
    every = {int(n): columns for n, columns in {**before, **after}.items() if columns}
    contracts = {n: _contract(mode, every[n]) for n in sorted(every)}
    last: int | None = None
    for number in contracts:
        if last is not None and not {str(number), str(last)} <= before.keys():
            earlier = {n: c for n, c in contracts.items() if n < number}
            yield number, contracts[number], earlier
        last = number


def _contract(mode: Compatibility, columns: Mapping[str, str]) -> Contract:
    told = {
        name: {"type": _type(kind), "nullable": kind.endswith("?")}
        for name, kind in columns.items()
    }
    return Contract.model_validate({"columns": told, "compatibility": mode})


def _type(kind: str) -> ValueType:
    return next((known for begin, known in _TYPES if kind.startswith(begin)), "text")
