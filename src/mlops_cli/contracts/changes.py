"""What differs between two contracts, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlops_cli.contracts.model import ColumnContract, Contract

_OF_PUBLISHING = ("version", "reason", "profile")


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs; `column` is None for one of the table.

    A value is as it stands in the file, null where the key or the column is not there.
    """

    column: str | None
    key: str
    before: Any
    after: Any


def changes_of(before: Contract, after: Contract) -> list[Change]:
    """The changes from one contract to another: columns in order, then the table's own keys.

    A column that came or went is one change, of the key `columns`. What `publish` writes is left
    out.
    """
    return [*_of_columns(before, after), *_of_table(before, after)]


def _of_columns(before: Contract, after: Contract) -> Iterator[Change]:
    for name in dict.fromkeys((*before.columns, *after.columns)):
        old, new = before.columns.get(name), after.columns.get(name)
        if old is None or new is None:
            yield Change(name, "columns", _plain(old), _plain(new))
            continue
        was, now = _plain(old), _plain(new)
        for key in ColumnContract.model_fields:
            if was.get(key) != now.get(key):
                yield Change(name, key, was.get(key), now.get(key))


def _of_table(before: Contract, after: Contract) -> Iterator[Change]:
    was, now = (c.model_dump(mode="json", exclude={"columns"}) for c in (before, after))
    for key in was:
        if key not in _OF_PUBLISHING and was[key] != now[key]:
            yield Change(None, key, was[key], now[key])


def _plain(column: ColumnContract | None) -> dict[str, object]:
    return {} if column is None else column.model_dump(mode="json", exclude_defaults=True)
