"""A default that schema or reference tell may be written into `mlops.yaml`, and changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mlops_cli.config.load import check_config, load_project
from mlops_cli.config.schema import config_schema

SCHEMA = config_schema()
VALID = jsonschema.Draft202012Validator(SCHEMA)
REFERENCE = Path(__file__).resolve().parents[2] / "docs/reference/commands.md"
BASE = {"project": "x", "task": "binary", "data": {"table": "t.csv", "target": "y"}}


def defaults(model: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Each key that has a default, with its own schema; sections and the keys in them."""
    for key, field in model["properties"].items():
        inner = SCHEMA["$defs"].get(field.get("$ref", "").rpartition("/")[2], {})
        if "default" in field:
            yield (*path, key), field
        if "properties" in inner:
            yield from defaults(inner, (*path, key))


def with_value(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The least configuration, and one key more."""
    config = json.loads(json.dumps(BASE))
    section = config
    for key in path[:-1]:
        section = section.setdefault(key, {})
    section[path[-1]] = value
    return config


DEFAULTS = list(defaults(SCHEMA))
JOIN = SCHEMA["$defs"]["JoinConfig"]["properties"]


@pytest.mark.parametrize(("path", "field"), DEFAULTS, ids=[".".join(p) for p, _ in DEFAULTS])
def test_a_default_fits_its_own_schema_and_loads(path, field):
    VALID.evolve(schema={"$defs": SCHEMA["$defs"], **field}).validate(field["default"])
    config = with_value(path, field["default"])
    VALID.validate(config)
    assert check_config(config, file="mlops.yaml") == check_config(BASE, file="mlops.yaml")


def test_the_schema_is_one_itself():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_defaults_of_a_join_load():
    said = {key: field["default"] for key, field in JOIN.items() if "default" in field}
    assert said["lag"] == "0s"
    least = {"table": "w.csv", "on": ["k"], "columns": ["a"]}
    for join in (least, {**said, **least}):
        config = {**BASE, "features": {"join": [join]}}
        VALID.validate(config)
        assert check_config(config, file="mlops.yaml").features.join[0].lag.total_seconds() == 0


# what a section that may be null asks for, where it is there
BESIDE = {
    "data": {"table": "t.csv", "target": "y"},
    "data.table": {"sql": "select 1", "url": "sqlite:///t.db"},
    "data.table.version": {"delta": "t"},  # of one of its forms
    "data.table.columns": {"delta": "t"},
    "data.table.registry": {"kafka": "t", "servers": "b:9092"},
    "train.select": {"method": "shap", "keep": "auto"},
    "train.mitigate": {"method": "reweighing", "columns": "[]"},
    "features.online": {"url": "sqlite"},
    "deploy.watch": {"for": "1d"},
    "deploy.rollout.testers": {"header": "x-a", "cookie": "a", "value": "try"},
    "deploy.kubernetes.gateway": {"host": "a.example", "class": "a", "name": "b"},
    "deploy.kubernetes.autoscaling.kafka": {"brokers": "[k:9092]", "topic": "t", "group": "g"},
}


GROUPED = {"data": {**BASE["data"], "sensitive": ["a"]}}  # what a mitigation asks for


def as_yaml(key, default=None):
    """The least configuration with that key's section in it, and the key where it has a value."""
    *sections, name = key.split(".")
    base = {**BASE, **(GROUPED if key.startswith("train.mitigate.") else {})}
    lines = [f"{k}: {json.dumps(v)}" for k, v in base.items() if k != sections[0]]
    for depth, section in enumerate(sections, 1):
        here = ".".join(sections[:depth])
        beside = BESIDE.get(key if here == ".".join(sections) and key in BESIDE else here, {})
        lines += [f"{'  ' * (depth - 1)}{section}:"]
        inner = {name, *sections[depth : depth + 1]}
        lines += [f"{'  ' * depth}{k}: {v}" for k, v in beside.items() if k not in inner]
    lines += [f"{'  ' * len(sections)}{name}: {default}"] if default is not None else []
    return "\n".join(lines)


def test_the_defaults_of_the_reference_are_yaml_that_loads(tmp_path):
    """As a reader copies them: between the backticks."""
    rows = re.findall(r"^\| `([\w.]+)` \| .* \| `(.+)` \| [^`|]*", REFERENCE.read_text(), re.M)
    rows = [
        (key, default) for key, default in rows if key.partition(".")[0] in SCHEMA["properties"]
    ]
    assert {"drift.every": "1d", "deploy.kubernetes.timeout": "5m"}.items() <= dict(rows).items()
    assert len(rows) > 40
    file = tmp_path / "mlops.yaml"
    file.write_text(json.dumps(BASE))
    plain = load_project(tmp_path).config
    for key, default in rows:
        if key.rpartition(".")[0] in BESIDE:
            file.write_text(as_yaml(key))
            expected = load_project(tmp_path).config
        else:
            expected = plain
        file.write_text(as_yaml(key, default))
        assert load_project(tmp_path).config == expected, key
