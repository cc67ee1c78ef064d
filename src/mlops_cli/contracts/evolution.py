"""Columns that change in mid-stream, held to the compatibility that the table's contract asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_cli.contracts.compatibility import incompatible
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
    for number, contract, earlier in _followers(mode, before, after):
        if found := incompatible(contract, earlier):
            first = found[0]
            raise DataError(
                f"{name}: schema {number} of the source breaks {mode}, which the table's contract "
                f"asks, against schema {first.version}: {first.column}, rule `{first.rule}`: "
                f"{first.why}",
                hint="let whoever writes it give the field a default or the type null, too, or "
                f"write `compatibility: NONE` into contracts/{name}.yaml",
            )


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
