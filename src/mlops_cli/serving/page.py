"""The page that tries a prediction: one file, which loads nothing and runs only its own script."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli.bundle.manifest import Input
from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.openapi import input_words

_SOURCE = Path(__file__).with_name("page.html")
_KEY_SOURCE = Path(__file__).with_name("key_page.html")
_PLACE = re.compile(r"\{\{(\w+)\}\}")
_LONGEST = 400  # characters of what is said of an input


class Page:
    """The page of a bundle, and the one that asks for a key before it.

    Each with the policy (of CSP) that lets it do what it does.
    """

    def __init__(self, bundle: Bundle, example: Mapping[str, Any]) -> None:
        source, asks_key = (file.read_text("utf-8") for file in (_SOURCE, _KEY_SOURCE))
        manifest = bundle.manifest
        values = {
            "model": manifest.project,
            "target": manifest.target.name,
            "task": manifest.task,
            "version": bundle.version,
            "example": msgspec.json.format(msgspec.json.encode(example), indent=2).decode(),
        }
        known = {name: html.escape(value) for name, value in values.items()}
        known["inputs"] = "\n".join(map(_row, manifest.inputs))
        self.content = _PLACE.sub(lambda place: known[place[1]], source).encode()
        self.policy = _policy(source)
        # That asks for a key, and becomes the other one then: it tells of no input.
        self.asks_key = _PLACE.sub(lambda place: known[place[1]], asks_key).encode()
        self.asks_key_policy = _policy(source, asks_key)


def _policy(*sources: str) -> bytes:
    """Nothing but the pages' own scripts and styles, by digest, and requests to their server."""
    own: dict[str, list[str]] = {"script": [], "style": []}
    for name, content in re.findall(r"<(script|style)>(.*?)</\1>", "".join(sources), re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        own[name].append(f"'sha256-{digest}'")
    scripts, styles = (" ".join(found) for found in own.values())
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ).encode()


def _row(i: Input) -> str:
    said = input_words(i)
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."
    cells = i.name, i.type + (" or null" if i.nullable else ""), said
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
