"""Write a bundle: all files into a temporary folder, the manifest last, then one rename."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mlops_cli._files import replacing_folder, sha256_of
from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import (
    FORMAT,
    FORMAT_DECIDED,
    JUDGED,
    MANIFEST,
    MODULES,
    PROVENANCE,
    THRESHOLD,
    ClassLabel,
    Feature,
    File,
    Input,
    Manifest,
    ModelKind,
    Target,
    Task,
    digest_of,
)


@dataclass(frozen=True, slots=True)
class Model:
    """What a manifest says of a model, before its files are known."""

    project: str
    task: Task
    target: Target
    classes: tuple[ClassLabel, ...] | None
    kind: ModelKind
    inputs: tuple[Input, ...]
    features: tuple[Feature, ...]
    modules: Mapping[str, str]
    id: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    threshold: float = THRESHOLD
    interval: float | None = None
    judged: str | None = None


def write_bundle(
    path: Path,
    model: Model,
    files: Mapping[str, bytes],
    provenance: Mapping[str, object],
    *,
    twin: Path | None = None,
) -> str:
    """Write the bundle to the folder `path`, replacing what was there, and return its digest.

    `files` are the contents by name; `provenance` is kept outside the digest. Nothing of the old
    bundle is lost when writing fails. `twin` is the folder of the
    bundle that `model.judged` names, of which it then holds a copy.
    """
    with replacing_folder(path) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        manifest = _manifest(model, {n: File(sha256_of(folder / n)) for n in sorted(files)})
        if twin is not None:
            shutil.copytree(twin, folder / JUDGED)
        raw = canonical_json(manifest)
        (folder / MANIFEST).write_bytes(raw)
        (folder / PROVENANCE).write_bytes(msgspec.json.encode(dict(provenance), order="sorted"))
    return digest_of(raw)


def _manifest(model: Model, files: dict[str, File]) -> Manifest:
    made = Manifest(
        format=FORMAT,
        project=model.project,
        task=model.task,
        target=model.target,
        classes=model.classes,
        model=model.kind,
        inputs=model.inputs,
        features=model.features,
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        modules={name: model.modules[name] for name in MODULES[model.kind]},
        files=files,
        id=model.id,
        sensitive=model.sensitive,
        threshold=model.threshold,
        interval=model.interval,
        judged=model.judged,
    )
    return msgspec.structs.replace(made, format=FORMAT_DECIDED) if made.decided else made
