"""Every command line of ours that a text tells somebody to type."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command

from mlops_cli.cli.app import app

_LINE = re.compile(r"(?<![\w./-])mlops ([a-z][\w-]*)((?:[ \t]+[^\s`;|&#(){}]+)*)")
_HIDDEN = {"stage"}  # DVC's door: main.py knows it without a parser
_COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
_EVERYWHERE = {"--help", "-h"}


def wrong(text: str) -> Iterator[str]:
    """What of the command lines in `text` the parser does not know."""
    for name, rest in _LINE.findall(text):
        if name in _HIDDEN:
            continue
        if name not in _COMMANDS:
            yield f"mlops {name}"
            continue
        params = _COMMANDS[name].params
        known = {o for p in params for o in (*p.opts, *p.secondary_opts)} | _EVERYWHERE
        for word in rest.split():
            option = word.partition("=")[0].rstrip(",.:'\")")
            if re.fullmatch(r"--?[a-z][a-z-]*", option) and option not in known:
                yield f"mlops {name} {option}"


def strings(path: Path) -> Iterator[str]:
    """The texts in a file of Python, a value that is put in being a gap."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {
        id(v) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for v in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(v.value if isinstance(v, ast.Constant) else "\0" for v in node.values)
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
        ):
            yield node.value


def typed(path: Path) -> Iterator[str]:
    """What stands as code in a page of Markdown."""
    text = path.read_text(encoding="utf-8")
    for i, block in enumerate(re.split(r"^```.*$", text, flags=re.M)):
        if i % 2:
            yield from block.splitlines()
        else:
            yield from re.findall(r"`([^`\n]+)`", block)
