"""Bundles of the old format, whose golden rows are rows of the data."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

from mlops_cli.bundle.reader import Bundle, open_bundle


def write_old(source: Path, folder: Path, row: dict[str, Any]) -> Bundle:
    """A copy of the bundle in `source`, of format 1.0, with `row` and golden rows of nobody."""
    shutil.copytree(source, folder)
    golden, manifest = folder / "golden.jsonl", folder / "manifest.json"
    lines = golden.read_text().splitlines()
    first = json.loads(lines[0])
    first["inputs"] = {name: row.get(name) for name in first["inputs"]}
    golden.unlink()
    golden.write_text("\n".join([json.dumps(first), *map(_nobodys, lines[1:])]) + "\n")
    said = json.loads(manifest.read_text())
    said["format"] = "1.0"
    digest = sha256(golden.read_bytes()).hexdigest()
    said["files"]["golden.jsonl"] = {"sha256": digest}
    manifest.unlink()
    manifest.write_text(json.dumps(said, sort_keys=True))
    return open_bundle(folder)


def _nobodys(line: str) -> str:
    said = json.loads(line)
    inputs = said["inputs"]
    said["inputs"] = {n: v + 1 if isinstance(v, int) else v for n, v in inputs.items()}
    return json.dumps(said)
