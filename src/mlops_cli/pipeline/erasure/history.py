"""Every version of the data that DVC knows: which object came from which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from mlops_cli import _git
from mlops_cli.config.paths import CONFIG, DVC_LOCK, FEATURES_PLAN, FEATURES_TABLE, REJECTED
from mlops_cli.config.project import Project


@dataclass(frozen=True, slots=True)
class Featurized:
    """Objects of one run of `featurize`: the main table's, the features', and their plan's."""

    table: str
    features: str
    plan: str


@dataclass(slots=True)
class History:
    """Objects by md5 (32 hex digits): `tables` by the path that they had.

    `rejected` has, for what validation wrote, the tables by path that it was read from.
    """

    tables: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, dict[str, str]] = field(default_factory=dict)
    features: set[Featurized] = field(default_factory=set)


def history_of(project: Project, runs: Path) -> History:
    """All that git, the work tree and DVC's run cache (the folder `runs`) say."""
    found = History()
    for path, content in _files(project.root):
        said = _yaml(content)
        if path.endswith(".dvc"):
            for out in _listed(said, "outs"):
                found.tables.setdefault(out["md5"], str(Path(path).parent / str(out["path"])))
        for name, stage in (said.get("stages") or {}).items() if path == DVC_LOCK else ():
            _take(found, name, stage, project.tables)
    for file in runs.glob("*/*/*"):
        stage = _yaml(file.read_bytes())
        name = next((n for n in ("validate", "featurize") if f" {n} " in str(stage.get("cmd"))), "")
        _take(found, name, stage, project.tables)
    return found


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    here = [p for p in root.rglob("*.dvc") if p.is_file() and ".dvc" not in p.parts[:-1]]
    for file in [*here, root / DVC_LOCK]:
        if file.is_file():
            yield file.relative_to(root).as_posix(), file.read_bytes()
    yield from _git.every_version(root, DVC_LOCK, "*.dvc")


def _take(found: History, name: str, stage: Any, tables: list[str]) -> None:
    deps = {d["path"]: d["md5"] for d in _listed(stage, "deps")}
    outs = {o["path"]: o["md5"] for o in _listed(stage, "outs")}
    main = _main_table(stage)
    if name == "validate":
        known = {p: m for p, m in deps.items() if p in tables or p == main or _is_table(p)}
        found.tables |= {m: p for p, m in known.items()}
        if REJECTED in outs:
            found.rejected.setdefault(outs[REJECTED], known)
    if name == "featurize" and main in deps and FEATURES_TABLE in outs:
        plan = outs.get(FEATURES_PLAN, "")
        found.features.add(Featurized(deps[main], outs[FEATURES_TABLE], plan))


def _is_table(path: str) -> bool:
    return path.lower().endswith((".csv", ".csv.gz", ".parquet")) and path != REJECTED


def _main_table(stage: Any) -> str:
    params = (stage.get("params") or {}).get(CONFIG) or {}
    data = params.get("data") if isinstance(params, dict) else None
    return str(data.get("table", "")) if isinstance(data, dict) else ""


def _listed(stage: Any, kind: str) -> Iterator[Mapping[str, Any]]:
    listed = stage.get(kind) if isinstance(stage, dict) else None
    for item in listed or ():
        if isinstance(item, dict) and item.get("path") and item.get("md5"):
            yield item


def _yaml(content: bytes) -> dict[str, Any]:
    try:
        said = YAML(typ="safe").load(content)
    except (YAMLError, ValueError, UnicodeDecodeError):
        return {}
    return said if isinstance(said, dict) else {}
