"""What the stages read that no stage wrote: by `dvc.lock`, as the last run left it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_cli._files import sha256_of
from mlops_cli._git import uncommitted
from mlops_cli.config.document import read_yaml
from mlops_cli.config.paths import CONFIG, DVC_LOCK, DVC_YAML, SETTINGS

_TRAIN = "train"
_AFTER = "package"  # the stage that begins where a model has been registered


def source_files(root: Path) -> list[str]:
    """The files in git that a stage depends on, relative to `root`; of a table its `.dvc`."""
    stages = _stages(root)
    written = {out["path"] for stage in stages.values() for out in _files(stage, "outs")}
    read = {dep["path"] for stage in stages.values() for dep in _files(stage, "deps")}
    return [
        CONFIG,
        DVC_YAML,
        *(f for path in sorted(read - written) for f in (path, f"{path}.dvc")),
    ]


def files_read(root: Path) -> dict[str, str]:
    """The tables, contracts and other files that stages read and no stage wrote: their md5.

    By their paths, as the last run left them in `dvc.lock`; nothing where nothing ran.
    """
    stages = _stages(root)
    written = {out["path"] for stage in stages.values() for out in _files(stage, "outs")}
    read = (dep for stage in stages.values() for dep in _files(stage, "deps"))
    found = {dep["path"]: str(dep.get("md5") or "") for dep in read}
    return {
        path: digest
        for path, digest in sorted(found.items())
        if path not in written and not path.startswith(f"{SETTINGS}/")
    }


def inputs_digest(root: Path) -> str | None:
    """What names all that a model is made and judged by: tables, contracts, code and settings.

    64 hex digits; None where nothing ran. What other stages wrote follows from it, and whom the
    model was compared with is no part of it.
    """
    stages = _stages(root)
    written = {out["path"] for stage in stages.values() for out in _files(stage, "outs")}
    found = {
        (dep["path"], str(dep.get("md5") or dep.get("hash")))
        for name, stage in stages.items()
        for dep in _files(stage, "deps")
        if name != _AFTER and (dep["path"] not in written or dep["path"].startswith(f"{SETTINGS}/"))
    }
    return _digest(found) if found else None


def parts_digests(root: Path, tables: Collection[str]) -> dict[str, str]:
    """What names each part of all that the model of `dvc.lock` is made from, judging apart.

    `tables`: of what `mlops.yaml` names, and whatever else DVC keeps; `settings`: of sections and
    contracts; `scripts`: of what else the user's own stages read. 64 hex digits each.
    """
    found: dict[str, dict[str, str]] = {"tables": {}, "settings": {}, "scripts": {}}
    for path, digest in _read_by_training(_stages(root)):
        if path.startswith((f"{SETTINGS}/", "contracts/")):
            found["settings"][path] = digest
        elif path in tables or (root / f"{path}.dvc").is_file():
            found["tables"][path] = digest
        else:
            found["scripts"][path] = digest
    return {part: _digest(files.items()) for part, files in found.items()}


def _read_by_training(stages: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What `train`, and the stages whose outputs it needs, read that none of them wrote."""
    writers = {out["path"]: name for name, stage in stages.items() for out in _files(stage, "outs")}
    waiting, seen = [_TRAIN], set()
    while waiting:
        name = waiting.pop()
        for dep in _files(stages.get(name), "deps"):
            path = dep["path"]
            writer = next((w for out, w in writers.items() if _within(path, out)), None)
            if writer is None or path.startswith(f"{SETTINGS}/"):
                yield path, str(dep.get("md5") or dep.get("hash"))
            elif writer not in seen:
                seen.add(writer)
                waiting.append(writer)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _digest(files: Iterable[tuple[str, str]]) -> str:
    text = "".join(f"{path} {digest}\n" for path, digest in sorted(set(files)))
    return hashlib.sha256(text.encode()).hexdigest()


def diff_digest(root: Path) -> str | None:
    """What names the content of those sources that are not as the commit has them; None: all are.

    64 hex digits.
    """
    files = {path: root / path for path in uncommitted_sources(root)}
    digests = [(p, sha256_of(file) if file.is_file() else "-") for p, file in files.items()]
    return _digest(digests) if digests else None


def uncommitted_sources(root: Path) -> tuple[str, ...]:
    """Those of `source_files` that are not as the commit has them."""
    return uncommitted(root, source_files(root))


def _stages(root: Path) -> dict[str, Any]:
    file = root / DVC_LOCK
    lock = read_yaml(file) if file.is_file() else None
    stages = lock.get("stages") if isinstance(lock, dict) else None
    return stages if isinstance(stages, dict) else {}


def _files(stage: Any, kind: str) -> Iterator[dict[str, Any]]:
    listed = stage.get(kind) if isinstance(stage, dict) else None
    yield from (item for item in listed or () if isinstance(item, dict) and "path" in item)
