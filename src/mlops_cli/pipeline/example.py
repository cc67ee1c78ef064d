"""`examples/request.json` follows the model: a change of features may ask for other inputs."""

from __future__ import annotations

from typing import Any

import msgspec

from mlops_cli._files import replacing
from mlops_cli._json import pretty_json
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.paths import MODEL, REQUEST
from mlops_cli.config.project import Project


def refresh_request(project: Project) -> bool:
    """Take the model's first golden row as the example where the old one lacks an input.

    True where the file was written; an example that names every input is the user's own.
    """
    folder = project.root / MODEL
    if not folder.is_dir():
        return False
    bundle = open_bundle(folder)
    wanted = {i.name for i in bundle.manifest.inputs}
    path = project.root / REQUEST
    if path.is_file() and wanted <= _keys(path.read_bytes()):
        return False
    row = next(bundle.golden()).inputs
    with replacing(path) as temporary:
        temporary.write_text(pretty_json(row), encoding="utf-8")
    return True


def _keys(request: bytes) -> set[str]:
    try:
        found: Any = msgspec.json.decode(request)
    except msgspec.DecodeError:
        return set()
    return set(found) if isinstance(found, dict) else set()
