"""The tracker on MLflow: embedded SQLite by default, any MLflow server by its URI."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")  # read when MLflow is imported

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import LifecycleStage
from mlflow.entities.model_registry import ModelVersion as Registered
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from mlops_cli._files import replacing_folder
from mlops_cli.bundle.manifest import FOLDER, short
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.errors import BundleError, EnvironmentFault, UsageError
from mlops_cli.redaction import redact
from mlops_cli.tracking.address import sqlite_file
from mlops_cli.tracking.base import (
    PYTHON_FEATURES,
    TOMBSTONE,
    WITHDRAWN,
    AliasMoved,
    ModelVersion,
    RunRecord,
    TrialRecord,
)
from mlops_cli.tracking.cache import bundle_folder, holds
from mlops_cli.tracking.model_folder import write_model_folder
from mlops_cli.tracking.runs import delete_files, log_run, log_trials, put_files
from mlops_cli.tracking.store import artifact_location, check_database, faults, locked, open_client

AUDIT = "mlops.audit."
DIGEST = "digest"
METRIC = "metric."
MODEL = "model"  # a version's folder among its run's artifacts


class MlflowTracker:
    """`Tracker` on MLflow; the registered model carries the project's name."""

    def __init__(self, root: Path, uri: str, experiment: str | None, model: str) -> None:
        self._root = root
        self._uri = uri
        self._experiment = experiment or model
        self._model = model

    @property
    def address(self) -> str:
        """See `Tracker.address`."""
        return redact(self._uri)

    @cached_property
    def _client(self) -> MlflowClient:
        return open_client(self._uri, self._root / ".mlops/mlflow.lock")

    @cached_property
    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            try:
                location = artifact_location(self._uri)
                return str(self._client.create_experiment(self._experiment, location))
            except MlflowException as e:
                found = self._client.get_experiment_by_name(self._experiment)
                if e.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
                    raise
        if found.lifecycle_stage != LifecycleStage.ACTIVE:
            raise self._deleted(str(found.experiment_id))
        return str(found.experiment_id)

    def _deleted(self, number: str) -> EnvironmentFault:
        restore = f"mlflow experiments restore --experiment-id {number}"
        return EnvironmentFault(
            f"the experiment {self._experiment!r} at {self.address} was deleted",
            hint=f"bring it back: MLFLOW_TRACKING_URI={self.address} {restore}; or name another "
            "one: tracking.experiment",
        )

    @property
    def _never_used(self) -> bool:
        file = sqlite_file(self._uri)
        return file is not None and not file.exists()

    def prepare(self) -> None:
        """See `Tracker.prepare`."""
        with faults(self._uri):
            check_database(self._uri)
            _ = self._experiment_id

    def log_run(self, run: RunRecord) -> str:
        """See `Tracker.log_run`."""
        with faults(self._uri):
            return log_run(self._client, self._experiment_id, run)

    def run(self, run_id: str) -> RunRecord | None:
        """See `Tracker.run`."""
        with faults(self._uri):
            found = self._known_run(run_id)
        if found is None:
            return None
        data = found.data
        return RunRecord(found.info.run_name, data.params, data.metrics, data.tags)

    def log_trials(self, parent: RunRecord, trials: Sequence[TrialRecord]) -> str:
        """See `Tracker.log_trials`."""
        with faults(self._uri):
            return log_trials(self._client, self._experiment_id, parent, trials)

    def register(
        self,
        bundle: Bundle,
        *,
        run_id: str | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """See `Tracker.register`."""
        code = {PYTHON_FEATURES: " ".join(files)} if (files := bundle.python_files()) else {}
        measured = {f"{METRIC}{k}": repr(v) for k, v in (metrics or {}).items()}
        kept = {**code, **(tags or {}), **measured}
        with faults(self._uri), locked(self._root / ".mlops/register.lock"):
            known = self._find(bundle.digest)
            if known is None:
                run = self._run_of(bundle, run_id)
                made = self._create(bundle, run, {DIGEST: bundle.digest, **kept})
                known = self._settle(bundle.digest, made)
            return known

    def versions(self) -> list[ModelVersion]:
        """See `Tracker.versions`."""
        if self._never_used:
            return []
        with faults(self._uri):
            found = self._search(f"name = {_quoted(self._model)}")
        return [_version(v) for v in found if DIGEST in v.tags]

    def alias(self, name: str) -> ModelVersion | None:
        """See `Tracker.alias`."""
        if self._never_used:
            return None
        with faults(self._uri):
            found = self._with_alias(name)
        if found is not None and DIGEST not in found.tags:
            raise EnvironmentFault(
                f"version {found.version} of {self._model} at {self.address} is the {name}, "
                "but was not registered by mlops: it has no digest",
                hint=f"move the alias `{name}` to a version of ours, or remove it",
            )
        return _version(found) if found else None

    def set_alias(self, name: str, version: ModelVersion, *, expected: ModelVersion | None) -> None:
        """See `Tracker.set_alias`."""
        with locked(self._root / ".mlops/register.lock"):
            if (now := self.alias(name)) and now.digest == version.digest:
                return
            self._check_alias(name, expected)
            with faults(self._uri):
                self._client.set_registered_model_alias(self._model, name, version.number)
            self._check_alias(name, version)

    def _check_alias(self, name: str, expected: ModelVersion | None) -> None:
        found = self.alias(name)
        if (found and found.digest) != (expected and expected.digest):
            now, before = (v.version if v else "none" for v in (found, expected))
            raise AliasMoved(
                f"the {name} at {self.address} is {now} now, and not {before}",
                hint="`mlops status` shows it; run the command again",
            )

    def tag(self, version: ModelVersion, name: str, value: str | None) -> None:
        """See `Tracker.tag`."""
        with faults(self._uri):
            if value is not None:
                self._client.set_model_version_tag(self._model, version.number, name, value)
            elif name in self._client.get_model_version(self._model, version.number).tags:
                self._client.delete_model_version_tag(self._model, version.number, name)

    def audit_lines(self) -> Mapping[str, str] | None:
        """See `Tracker.audit_lines`."""
        if self._never_used or (model := self._registered()) is None:
            return None
        return {k.removeprefix(AUDIT): v for k, v in model.tags.items() if k.startswith(AUDIT)}

    def keep_audit_line(self, entry: str, line: str) -> None:
        """See `Tracker.keep_audit_line`."""
        if self._never_used or self._registered() is None:
            return
        with faults(self._uri):
            self._client.set_registered_model_tag(self._model, f"{AUDIT}{entry}", line)

    def fetch(self, digest: str) -> Path:
        """See `Tracker.fetch`."""
        path = bundle_folder(self._root, digest)
        with faults(self._uri), locked(self._root / ".mlops/bundles.lock"):
            if not holds(path, digest):
                self._download(digest, path)
        return path

    def _download(self, digest: str, path: Path) -> None:
        known = None if self._never_used else self._find(digest)
        if known is None:
            raise UsageError(
                f"the registry at {self.address} knows no version {short(digest)} of {self._model}",
                hint="`mlops status` names the champion",
            )
        if TOMBSTONE in known.tags:
            raise UsageError(
                f"the files of {short(digest)} were deleted: {known.tags[TOMBSTONE]}",
                hint="it is a tombstone; choose another version: `mlops audit` names them",
            )
        source = self._client.get_model_version_download_uri(self._model, known.number)
        with replacing_folder(path) as folder:
            download_artifacts(
                artifact_uri=f"{_bundle_in(source)}/", dst_path=str(folder), tracking_uri=self._uri
            )
            if fault := _fault_of(folder, digest):
                raise BundleError(
                    f"version {known.number} of {self._model} at {self.address} is not the bundle "
                    f"{short(digest)} that it was registered as: of {redact(source)}, {fault}",
                    hint="bring them back (of a registry in the project: mlartifacts/), or delete "
                    "that version and run `mlops register --first`",
                )

    def bury(self, version: ModelVersion, why: str) -> None:
        """See `Tracker.bury`."""
        for name in (WITHDRAWN, TOMBSTONE):
            self.tag(version, name, why)
        with faults(self._uri):
            source = self._client.get_model_version_download_uri(self._model, version.number)
            delete_files(source, self._uri)

    def _run_of(self, bundle: Bundle, run_id: str | None) -> Any:
        # A bundle that DVC restored may come from a server that is not this one.
        if run_id is not None and (found := self._known_run(run_id)):
            return found
        run = RunRecord(name=f"register {bundle.version}", tags={DIGEST: bundle.digest})
        return self._client.get_run(log_run(self._client, self._experiment_id, run))

    def _known_run(self, run_id: str) -> Any:
        try:
            return self._client.get_run(run_id)
        except MlflowException as e:
            if e.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            return None

    def _create(self, bundle: Bundle, run: Any, tags: Mapping[str, str]) -> str:
        run_id = run.info.run_id
        with TemporaryDirectory() as folder:
            write_model_folder(Path(folder), bundle, run_id=run_id, name=MODEL)
            put_files(self._client, run, folder, MODEL)
        put_files(self._client, run, str(bundle.path), f"{MODEL}/{FOLDER}")
        try:
            self._client.create_registered_model(self._model)
        except MlflowException as e:
            if e.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{run.info.artifact_uri}/{MODEL}"
        made = self._client.create_model_version(
            self._model, source, run_id, tags=dict(tags), description=_described(bundle, tags)
        )
        return str(made.version)

    def _settle(self, digest: str, made: str) -> ModelVersion:
        # Machines that share a server share no lock: the first of their versions stands, and each
        # takes back its own.
        first = self._of_digest(digest)[0]
        if str(first.version) != made:
            self._client.delete_model_version(self._model, made)
        return _version(first)

    def _find(self, digest: str) -> ModelVersion | None:
        found = self._of_digest(digest)
        return _version(found[0]) if found else None

    def _of_digest(self, digest: str) -> list[Registered]:
        return self._search(f"name = {_quoted(self._model)} and tags.{DIGEST} = '{digest}'")

    def _search(self, query: str) -> list[Registered]:
        found: list[Registered] = []
        token = None
        while token != "":
            page = self._client.search_model_versions(query, max_results=1000, page_token=token)
            found.extend(page)
            token = page.token or ""
        return sorted(found, key=lambda v: int(v.version))

    def _registered(self) -> RegisteredModel | None:
        """The registered model, with its aliases and tags; None where there is none yet."""
        try:
            with faults(self._uri):
                return self._client.get_registered_model(self._model)
        except EnvironmentFault as e:
            if getattr(e.__cause__, "error_code", None) != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def _with_alias(self, name: str) -> Registered | None:
        model = self._registered()
        number = model.aliases.get(name) if model else None
        return self._client.get_model_version(self._model, number) if number else None


def _fault_of(folder: Path, digest: str) -> str | None:
    """Why the folder is not the whole bundle of that digest; None where it is."""
    try:
        found = open_bundle(folder).digest
    except BundleError as e:
        return e.message.replace(f"{folder}/", "").replace(str(folder), "the folder")
    return None if found == digest else f"the digest is {short(found)}"


def _bundle_in(source: str) -> str:
    """Where the bundle is; up to release 0.2.0 a version was its bundle and nothing else."""
    return source if source.endswith(f"/{FOLDER}") else f"{source}/{FOLDER}"


def _quoted(name: str) -> str:
    return f"'{name}'"  # a project's name holds letters, digits, dots, - and _ only


def _described(bundle: Bundle, tags: Mapping[str, str]) -> str:
    """What MLflow's pages show beside a version: its digest, and what it is worth."""
    name = tags.get("metric", "")
    value, low, high = (tags.get(f"{METRIC}{name}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return short(bundle.digest)
    between = f" [{float(low):.4f}, {float(high):.4f}]" if low and high else ""
    return f"{short(bundle.digest)}: {name} {float(value):.4f}{between} on the hold-out"


def _version(found: Registered) -> ModelVersion:
    metrics = {k.removeprefix(METRIC): v for k, v in found.tags.items() if k.startswith(METRIC)}
    return ModelVersion(
        digest=found.tags[DIGEST],
        number=str(found.version),
        metrics={k: float(v) for k, v in metrics.items()},
        tags={k: v for k, v in found.tags.items() if not k.startswith(METRIC)},
    )
