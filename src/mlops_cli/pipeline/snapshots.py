"""What is known of a commit, an experiment, a run, a version or the work tree, in one form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec

from mlops_cli import _git
from mlops_cli.bundle.manifest import MANIFEST, PROVENANCE, digest_of, short
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.document import read_yaml
from mlops_cli.config.paths import CONFIG, DVC_LOCK, METRICS_FILE, MODEL, SETTINGS
from mlops_cli.config.project import Project
from mlops_cli.config.sections.train import TrainConfig
from mlops_cli.errors import DataError, UsageError
from mlops_cli.pipeline.dvc import reader_at
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import ModelVersion, RunRecord, Tracker
from mlops_cli.tracking.names import MODEL_URI, find_version, version_named
from mlops_cli.tuning.base import BEST

WORKSPACE = "workspace"
Kind = Literal["workspace", "commit", "experiment", "version", "run"]
Read = Callable[[str], bytes | None]
MADE_OF = "features"  # beside the raw tables: the table that the model was fitted on


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One side of a comparison; what it does not know is None.

    `id` is a commit, a bundle's digest or a run's id; `model` is the version of its model. `params`
    are the model's, `settings` those of `mlops.yaml`, `data` digests by table, `contracts` what
    they say by file and key. `incomplete`: something was trained there, and is not in this clone.
    """

    name: str
    kind: Kind
    id: str | None
    model: str | None = None
    metrics: Mapping[str, float] | None = None
    params: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] | None = None
    data: Mapping[str, str] | None = None
    contracts: Mapping[str, Any] | None = None
    features: tuple[str, ...] | None = None
    incomplete: bool = False


def snapshot(project: Project, name: str) -> Snapshot:
    """What is known of `name`: `workspace`, a git revision, an experiment of DVC, a version, a run.

    They are looked for in that order. A version is an alias such as `champion`, 12 digits of a
    digest, or `models:/NAME/3`. Raises `UsageError` where it is nothing of that.
    """
    root = project.root
    if name == WORKSPACE:
        return _of_files(name, "workspace", None, lambda path: _on_disk(root, path))
    if asked := MODEL_URI.fullmatch(name):
        tracker = open_tracker(project)
        named = version_named(tracker, asked["version"], model=project.config.project)
        return _of_version(tracker, name, named)
    if commit := _git.commit_at(root, name):
        return _of_commit(root, name, "commit", commit)
    if commit := _git.experiment_at(root, name):
        return _of_commit(root, name, "experiment", commit)
    tracker = open_tracker(project)
    if version := find_version(tracker, name):
        return _of_version(tracker, name, version)
    if re.fullmatch(r"[0-9a-f]{32}", name) and (run := tracker.run(name)):
        return _of_run(name, run)
    raise UsageError(
        f"{name!r} is no git revision, no experiment of DVC, and neither version nor run of the "
        f"registry at {tracker.address}",
        hint="`git log --oneline`, `dvc exp show` and `mlops audit` name what there is",
    )


def _on_disk(root: Path, path: str) -> bytes | None:
    file = root / path
    return file.read_bytes() if file.is_file() else None


def _of_commit(root: Path, name: str, kind: Kind, commit: str) -> Snapshot:
    with reader_at(root, commit) as read:
        if read(CONFIG) is None:
            raise UsageError(
                f"{name} ({commit[:12]}) has no {CONFIG}", hint="name a commit of this project"
            )
        return _of_files(name, kind, commit, read)


def _of_files(name: str, kind: Kind, commit: str | None, read: Read) -> Snapshot:
    config = _yaml(CONFIG, read(CONFIG)) or {}
    lock = _yaml(DVC_LOCK, read(DVC_LOCK))
    metrics, best = _json(METRICS_FILE, read(METRICS_FILE)), _json(BEST, read(BEST))
    raw = read(f"{MODEL}/{MANIFEST}")
    made = _json(PROVENANCE, read(f"{MODEL}/{PROVENANCE}")) or {}
    tables = dict(_tables(lock)) if lock else None
    return Snapshot(
        name=name,
        kind=kind,
        id=commit,
        model=short(digest_of(raw)) if raw else None,
        metrics=_flat_metrics(metrics) if metrics else None,
        params=_params(config.get("train") or {}, best) if best else None,
        settings=dict(_flat(config)),
        data=(tables or {}) | _features_of(made) if tables or made else None,
        contracts=dict(_contracts(lock, read)) if lock else None,
        features=_features(_json(MANIFEST, raw)),
        incomplete=raw is None and "train" in ((lock or {}).get("stages") or ()),
    )


def _of_version(tracker: Tracker, name: str, version: ModelVersion) -> Snapshot:
    bundle = open_bundle(tracker.fetch(version.digest))
    made = _json(PROVENANCE, _on_disk(bundle.path, PROVENANCE)) or {}
    run_id = made.get("run_id")
    run = tracker.run(run_id) if isinstance(run_id, str) else None
    return Snapshot(
        name=name,
        kind="version",
        id=version.digest,
        model=version.version,
        metrics=run.metrics if run else version.metrics,
        params=_run_params(run) if run else None,
        data=_features_of(made) or None,
        features=tuple(f.name for f in bundle.manifest.features),
    )


def _of_run(name: str, run: RunRecord) -> Snapshot:
    return Snapshot(
        name=name,
        kind="run",
        id=name,
        metrics=run.metrics,
        params=_run_params(run),
        data=_features_of(run.tags) or None,
    )


def _run_params(run: RunRecord) -> dict[str, Any]:
    """A run's parameters as they were before MLflow made text of them."""
    return {k: _value(v) for k, v in run.params.items() if k != "rows"}


def _value(text: Any) -> Any:
    words = {"True": True, "False": False, "None": None}
    if not isinstance(text, str) or text in words:
        return words.get(text, text)
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _params(train: Mapping[str, Any], best: Mapping[str, Any]) -> dict[str, Any]:
    """As the run of `train` has them."""
    usual = TrainConfig()
    return {
        **(train.get("params") or {}),
        **best.get("params", {}),
        "estimator": train.get("estimator", usual.estimator),
        "rounds": best.get("rounds"),
        "seed": train.get("seed", usual.seed),
    }


def _features(manifest: Any) -> tuple[str, ...] | None:
    """By a manifest of any release."""
    return tuple(f["name"] for f in manifest["features"]) if manifest else None


def _features_of(made: Mapping[str, Any]) -> dict[str, str]:
    digest = made.get("data_digest")
    return {MADE_OF: digest} if isinstance(digest, str) else {}


def _flat_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    validation = {f"validation_{k}": v for k, v in metrics.get("validation", {}).items()}
    flat = {**metrics.get("holdout", {}), **validation}
    return {k: v for k, v in flat.items() if v is not None}


def _tables(lock: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the pipeline reads and no stage makes, with its digest, but contracts and settings."""
    made = {out["path"] for stage in _stages(lock) for out in stage.get("outs", ())}
    for path, entry in _read_files(lock):
        if path not in made and not path.startswith(("contracts/", f"{SETTINGS}/", "mlops.")):
            yield path, str(entry.get("md5", ""))


def _contracts(lock: Mapping[str, Any], read: Read) -> Iterator[tuple[str, Any]]:
    for path, _ in _read_files(lock):
        if path.startswith("contracts/"):
            said = _yaml(path, read(path))
            yield from ((f"{path}: {key}", value) for key, value in _flat(said or {}))


def _read_files(lock: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = {d["path"]: d for stage in _stages(lock) for d in stage.get("deps", ())}
    yield from found.items()


def _stages(lock: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((lock.get("stages") or {}).values())


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings by dotted key; a list is a leaf, an empty mapping none."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, value


def _yaml(name: str, content: bytes | None) -> Any:
    if content is None:
        return None
    with TemporaryDirectory() as folder:
        file = Path(folder, Path(name).name)
        file.write_bytes(content)
        found = read_yaml(file)
    if not isinstance(found, dict | None):
        raise UsageError(f"{name} is not a mapping of sections", hint="name another commit")
    return found


def _json(name: str, content: bytes | None) -> Any:
    if content is None:
        return None
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError as e:
        raise DataError(f"{name}: {str(e)[:300]}", hint="make it anew: mlops run") from e
