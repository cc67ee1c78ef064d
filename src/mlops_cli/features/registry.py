"""`features/registry.yaml`: the features that are looked after, and what each of them means."""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from mlops_cli._json import canonical_json
from mlops_cli.config.document import read_project_yaml
from mlops_cli.config.model import Config
from mlops_cli.config.paths import FEATURE_REGISTRY as REGISTRY
from mlops_cli.config.schema import SCHEMA
from mlops_cli.config.sections.registered import RegisteredFeature
from mlops_cli.errors import UsageError
from mlops_cli.expressions.python_sources import OP as PYTHON
from mlops_cli.expressions.python_sources import function_of, source_of
from mlops_cli.expressions.tree import FeatureTree, Node, columns_of
from mlops_cli.features.lineage import FeatureEntry


def read_registry(root: Path, names: Sequence[str]) -> dict[str, RegisteredFeature]:
    """The registered features by name; nothing where the project has no such file.

    Raises `UsageError` for a fault in the file, and for a feature that is none of `names`.
    """
    file = root / REGISTRY
    if not file.is_file():
        return {}
    content = read_project_yaml(file)
    if not isinstance(content, dict):
        raise UsageError(f"{REGISTRY} is not a mapping of features", hint="NAME: {version: 1}")
    found: dict[str, RegisteredFeature] = {}
    for name, said in content.items():
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
            raise UsageError(
                f"{REGISTRY}: mlops.yaml makes no feature {str(name)[:80]!r}",
                hint=f"did you mean {near[0]!r}?" if near else "take it out, or make it",
            )
        found[name] = _checked(name, said)
    return found


def registry_schema() -> dict[str, Any]:
    """The JSON Schema of the file, as it stands in docs/schemas/features.schema.json."""
    feature = RegisteredFeature.model_json_schema()
    of_one = {"anyOf": [feature, {"type": "null"}]}  # a bare name has all defaults
    return {
        "$schema": SCHEMA,
        "title": REGISTRY,
        "type": "object",
        "additionalProperties": of_one,
    }


def _checked(name: str, said: Any) -> RegisteredFeature:
    try:
        return RegisteredFeature.model_validate({} if said is None else said)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in (name, *first["loc"]))
        raise UsageError(
            f"{REGISTRY}: `{where}`: {first['msg'][:200]}",
            hint="a feature has version, owner, description and approver",
        ) from e


def meanings(
    config: Config, trees: Sequence[FeatureTree], entries: Sequence[FeatureEntry]
) -> dict[str, str]:
    """What names the meaning of each feature: a sha256 of how it is made, and of what.

    That is its type, its expression as it was read, the join or aggregate behind each column that
    it reads, and the columns of tables; of a Python function the code of its file, without comments
    and blanks. A description, an owner, the order and the other features change nothing.
    """
    by_name = {entry.name: entry for entry in entries}
    joins = {n: join for join in config.features.join for n in join.columns}
    aggregates = {a.name: a for a in config.features.aggregates}
    found = {}
    for feature in trees:
        read = sorted(columns_of(feature.tree))
        behind: dict[str, Any] = {}
        for name in read:
            if (join := joins.get(name)) is not None:
                behind[name] = join.model_dump(
                    mode="json", exclude={"columns"}, exclude_defaults=True
                )
            elif (aggregate := aggregates.get(name)) is not None:
                said = aggregate.model_dump(mode="json", exclude_defaults=True)
                behind[name] = said | {"expr": " ".join(aggregate.expr.split())}
        sources = sorted((s.table, s.column) for s in by_name[feature.name].sources)
        meaning = {"tree": _plain(feature.tree), "behind": behind, "sources": sources}
        found[feature.name] = hashlib.sha256(canonical_json(meaning)).hexdigest()
    return found


def _plain(node: Node) -> Any:
    """A tree as JSON; a function by its code, not by its file's bytes."""
    value: Any = node.value
    if node.op == PYTHON:
        function = function_of(node)
        code = ast.unparse(ast.parse(source_of(function), function.path))
        value = f"{function.function} of {hashlib.sha256(code.encode()).hexdigest()}"
    plain = {"op": node.op, "type": node.type, "args": [_plain(arg) for arg in node.args]}
    return plain | {"value": msgspec.to_builtins(value)}
