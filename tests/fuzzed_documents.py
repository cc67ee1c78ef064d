"""Valid YAML files, and how people, tools and attackers get them wrong."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from datetime import date
from typing import Any

from ruamel.yaml import YAML

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 10**30, -(10**400), 10**5000),
    *(0.0, -0.0, 0.5, 1e-320, 1e308, float("nan"), float("inf"), float("-inf")),
    *("", " ", "null", "yes", "1e3", "0x1F", "1_000", "12:30:45", "2013-02-30", "1h", "0s", "٣h"),
    *("99999999999999999999d", "1h\n", "${HOME}", "${NO_SUCH_VARIABLE}", "${", "$${x}", "${a.b}"),
    *("../../etc/passwd", "/etc/passwd", "~", "a\nb: c", "a\x00b", "a\u2028b", "\ud800", "😀", "é"),
    *("{{ 1 }}", "{% raw %}", "{python}", "{image}", "`id`", "; rm -rf /", "' or 1=1 --", "-x"),
    *(
        "x" * 5000,
        "%" * 100,
        "(" * 300,
        [],
        {},
        [[]],
        [{}],
        {"": ""},
        [None],
        {"a": {"b": {"c": 1}}},
    ),
    *({"int": [3, 1]}, {"float": [0, 1], "log": True}, {"choice": []}, {"champion": "not_worse"}),
)
# Lines of YAML that a dumper of values would never write.
LINES = (
    *(
        "x: !!python/object/apply:os.system ['touch PLANTED']",
        "x: !!python/name:os.system",
        "x: !x y",
    ),
    *(
        "x: !!binary aGVsbG8=",
        "x: !!binary '*'",
        "x: !!set {a, b}",
        "x: !!omap [a: 1]",
        "x: !!int z",
    ),
    *("x: !!float z", "x: !!timestamp z", "x: 2013-99-99", "x: 2013-01-01T99:99:99Z", "x: 0b2"),
    *("? {a: 1}\n: b", "? [1, 2]\n: b", "1: 2", "null: 1", "true: 1", "2013-01-01: 1", "1.5: x"),
    *("a: &a [*a]", "a: &a {b: *a}", "x: *nothing", "<<: {task: regression}", "<<: *x", "<<: [1]"),
    *("task: binary", "data: {table: t.csv, target: y}", "\tx: 1", "x: [1, 2", "x: {a", "x: 'open"),
    *(
        "--- {}",
        "...",
        "%YAML 3.0",
        "%TAG ! tag:x,2000:",
        "# note",
        "x: |\n  text",
        "x: >-\n  a\n\n  b",
    ),
    *(
        "x: " + "9" * 5000,
        "x: " + "[" * 300,
        "x: " + "{a: " * 300,
        "\ufeffx: 1",
        "x: \x07",
        "x: \x85",
    ),
    *("- 1", "x", "x: y: z", '"\\ud800": 1', 'project: "\\ud800"', 'x: "\\xzz"', "\u2028", "=: 1"),
)


def broken(valid: str, chance: random.Random) -> str:
    """The text of a YAML file that is nearly `valid`, by a few mistakes of any kind."""
    tree = YAML(typ="safe", pure=True).load(valid)
    for _ in range(chance.randint(0, 2)):
        _change(tree, chance)
    text = dumped(tree)
    for _ in range(chance.choice([0, 0, 1, 2])):
        text = chance.choice(_EDITS)(text, chance)
    return text


def dumped(tree: Any) -> str:
    """A value as YAML, a section a line: JSON is YAML, and so is what JSON leaves out."""
    if not isinstance(tree, dict):
        return _json(tree) + "\n"
    return "".join(f"{_json(str(key))}: {_json(value)}\n" for key, value in tree.items())


def _json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json(str(k))}: {_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    if isinstance(value, float):
        return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}.get(repr(value), repr(value))
    if type(value) is int and abs(value) > 10**20:  # Python's own limit for text is 4300 digits
        return f"{'-' if value < 0 else ''}1{'0' * (len(hex(value)) * 6 // 5)}"
    return value.isoformat() if isinstance(value, date) else json.dumps(value)


def _change(tree: Any, chance: random.Random) -> None:
    holder, key = chance.choice(list(_places(tree)))
    other, where = chance.choice(list(_places(tree)))
    match chance.randrange(7):
        case 0 | 1 | 2:
            holder[key] = copy.deepcopy(chance.choice(HOSTILE))
        case 3:
            del holder[key]
        case 4:
            holder[key] = copy.deepcopy(other[where])
        case 5:
            holder[key] = chance.choice([[holder[key]], {"x": holder[key]}, _as_text(holder[key])])
        case _ if isinstance(holder, dict):
            name = chance.choice([f"{key}s", str(key)[1:], str(key).upper(), "select", "é", "a b"])
            holder[name] = holder.pop(key)


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every place of a value: what holds it, and its key there; the root's own is never empty."""
    found: list[tuple[Any, Any]] = []
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        found.append((tree, key))
        if isinstance(tree[key], dict | list):
            found += _places(tree[key])
    return found or [([None], 0)]


def _as_text(value: Any) -> str:
    return _json(value)[:200]


def _insert(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    lines.insert(chance.randint(0, len(lines)), chance.choice(LINES))
    return "\n".join(lines)


def _twice(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    return "\n".join([*lines, chance.choice(lines)])


def _cut(text: str, chance: random.Random) -> str:
    return text[: chance.randint(0, len(text))]


def _typing_error(text: str, chance: random.Random) -> str:
    at = chance.randint(0, max(len(text) - 1, 0))
    put = chance.choice(
        ["", " ", "\n", ":", "-", '"', "'", "[", "}", "&a ", "*a", "!", "\x00", "é"]
    )
    return text[:at] + put + text[at + chance.randint(0, 2) :]


_EDITS: tuple[Callable[[str, random.Random], str], ...] = (
    _insert,
    _insert,
    _twice,
    _cut,
    _typing_error,
)
