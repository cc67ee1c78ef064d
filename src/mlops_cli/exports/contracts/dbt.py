"""A contract as tests of dbt: a file of properties, and a query for what dbt has no test of."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ruamel.yaml import YAML

from mlops_cli.contracts.model import ColumnContract, Contract
from mlops_cli.contracts.table_rules import ForeignKey
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.contracts.table_queries import table_queries
from mlops_cli.exports.contracts.untold import untold
from mlops_cli.tables.base import literal, quote


def render(name: str, contract: Contract) -> Rendered:
    """See `exports.contracts.contract_files_of`: `models/NAME.yml` and queries under `tests/`."""
    properties = {
        "version": 2,
        "models": [
            {
                "name": name,
                "columns": [
                    _column(n, c, _keys_of(n, contract)) for n, c in contract.columns.items()
                ],
            }
        ],
    }
    text = io.StringIO()
    YAML().dump(properties, text)
    files = {f"models/{name}.yml": text.getvalue()}
    for title, condition in _conditions(contract):
        query = f"select * from {{{{ ref('{name}') }}}}\nwhere not ({condition})\n"
        files[_query_file(name, title)] = query
    for key in contract.unique:
        names = ", ".join(quote(n) for n in key)
        there = " and ".join(f"{quote(n)} is not null" for n in key)
        files[_query_file(name, "unique " + " ".join(key))] = (
            f"select {names} from {{{{ ref('{name}') }}}}\nwhere {there}\n"
            f"group by {names}\nhaving count(*) > 1\n"
        )
    for title, query in table_queries(name, contract, table=_ref, keys=False):
        files[_query_file(name, title)] = f"{query}\n"
    return Rendered(files, untold(contract, unique=False, rules=False, whole=False))


def _ref(table: str) -> str:
    return f"{{{{ ref('{table}') }}}}"


def _query_file(name: str, title: str) -> str:
    slug = re.sub(r"\W+", "_", title, flags=re.ASCII).strip("_").lower()
    return f"tests/{name}_{slug}.sql"


def _keys_of(name: str, contract: Contract) -> list[ForeignKey]:
    return [key for key in contract.foreign_keys if key.columns == (name,)]


def _column(name: str, column: ColumnContract, keys: Sequence[ForeignKey]) -> dict[str, Any]:
    tests: list[Any] = [] if column.nullable else ["not_null"]
    if column.unique:
        tests.append("unique")
    if column.categories is not None:
        whole = column.type == "integer"
        arguments = {"values": list(column.categories)} | ({"quote": False} if whole else {})
        tests.append({"accepted_values": {"arguments": arguments}})
    for key in keys:
        other = {"to": f"ref('{key.table}')", "field": key.others[0]}
        tests.append({"relationships": {"arguments": other}})
    return {"name": name, "quote": True} | ({"data_tests": tests} if tests else {})


def _conditions(contract: Contract) -> Iterator[tuple[str, str]]:
    for name, column in contract.columns.items():
        bounds = [(">=", column.min), ("<=", column.max)]
        said = [f"{quote(name)} {sign} {_value(b)}" for sign, b in bounds if b is not None]
        if said:
            yield f"{name}_range", " and ".join(said)
        if column.pattern is not None:
            yield f"{name}_pattern", f"regexp_full_match({quote(name)}, {literal(column.pattern)})"
    for rule in contract.rules:
        yield rule.name, rule.expr


def _value(bound: float | str) -> str:
    return f"timestamp {literal(bound)}" if isinstance(bound, str) else repr(bound)
