"""A contract as YAML that people read: a line a column, comments kept for the curious."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from mlops_cli._files import write_text
from mlops_cli.contracts.model import Contract
from mlops_cli.secret_forms import refuse_secrets

_IN_DATA = "leave that column out of the table: its values stand in the contract, which git keeps"
HEAD = """\
What the columns of {table} must be, held by `mlops validate`. Inferred once; from now on
it is yours to edit: min, max, categories, pattern, unique; rules across columns:
  rules: [{{name: in order, expr: "arrival >= departure"}}]
  unique: [[origin, time]]    freshness: {{column: time, max_age: 2d}}    extra_columns: refuse
docs/guides/contracts.md of mlops-cli says what each key means.
"""


def contract_yaml(contract: Contract, *, table: str, notes: Mapping[str, str] | None = None) -> str:
    """The contract as YAML text; `notes` are comments at the end of a column's line."""
    plain = contract.model_dump(mode="json", exclude_defaults=True)
    document = CommentedMap()
    document.yaml_set_start_comment(HEAD.format(table=table))
    columns = CommentedMap()
    for name, column in plain.pop("columns").items():
        columns[name] = _flow(column)
        if note := (notes or {}).get(name):
            columns.yaml_add_eol_comment(note, name)
    document["columns"] = columns
    for key, value in plain.items():
        document[key] = _flow(value)
    yaml = YAML()
    yaml.width = 1_000_000  # a column is one line, however many categories it has
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue()


def write_contract(path: Path, contract: Contract, *, table: str) -> None:
    """Write the contract of `table` (its name in comments), whole or not at all.

    Raises `UsageError` where a category is a secret by its form: the contract goes to git.
    """
    text = contract_yaml(contract, table=table)
    refuse_secrets(text, f"the contract of {table}", hint=_IN_DATA)
    write_text(path, text)


def with_keys(text: str, values: Mapping[str, object]) -> str:
    """A contract's YAML text with these keys of the table; comments and order survive."""
    yaml = YAML()
    yaml.width = 1_000_000
    yaml.preserve_quotes = True
    content = yaml.load(text)
    for key, value in values.items():
        content[key] = _flow(value)
    out = io.StringIO()
    yaml.dump(content, out)
    return out.getvalue()


def _flow(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = CommentedMap((k, _flow(v)) for k, v in value.items())
        inner.fa.set_flow_style()
        return inner
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = CommentedSeq(_flow(v) for v in value)
        items.fa.set_flow_style()
        return items
    return value
