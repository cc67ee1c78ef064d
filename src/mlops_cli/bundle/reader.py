"""Open a bundle: every file is what the manifest says, or it is refused, naming the file."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli._files import sha256_of
from mlops_cli._json import plain_json
from mlops_cli.bundle.consistency import check_golden, check_manifest, check_online, check_trees
from mlops_cli.bundle.manifest import (
    CALIBRATION,
    FEATURES,
    FOLDER,
    FORMAT,
    FORMAT_DECIDED,
    GOLDEN,
    HIGH,
    JUDGED,
    LOW,
    MANIFEST,
    MODEL_FILES,
    ONLINE,
    PROFILE,
    PROVENANCE,
    PYTHON,
    REQUIREMENTS,
    Manifest,
    digest_of,
    short,
)
from mlops_cli.bundle.online import OnlinePlan
from mlops_cli.bundle.profile import Profile
from mlops_cli.bundle.requirements import parse_requirements
from mlops_cli.errors import BundleError, MlopsError, UsageError
from mlops_cli.expressions.python_sources import functions_of, hide, provide
from mlops_cli.expressions.tree import FeatureTrees

_SHOWN = 300
_LARGEST = 64 << 20  # bytes of a manifest: thousands of columns with thousands of categories
REQUIRED = (FEATURES, PROFILE, GOLDEN, REQUIREMENTS)


_READ = {FORMAT.partition(".")[0], FORMAT_DECIDED.partition(".")[0]}  # major versions
_MAY = {CALIBRATION, LOW, HIGH, ONLINE}


class _Format(msgspec.Struct):
    format: str


class GoldenRow(msgspec.Struct, frozen=True):
    """A row that the model must reproduce: raw inputs, features (null: missing), prediction."""

    inputs: dict[str, bool | int | float | str | None]
    features: tuple[float | None, ...]
    prediction: dict[str, Any]


# Made here: two threads that decode a type for the first time end the process (msgspec 0.22).
_read_format = msgspec.json.Decoder(_Format).decode
_read_golden = msgspec.json.Decoder(GoldenRow).decode
_read_manifest = msgspec.json.Decoder(Manifest).decode
_read_online = msgspec.json.Decoder(OnlinePlan).decode
_read_profile = msgspec.json.Decoder(Profile).decode
_read_trees = msgspec.json.Decoder(FeatureTrees).decode


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle on disk."""

    path: Path
    manifest: Manifest
    digest: str

    @property
    def version(self) -> str:
        """The digest's first 12 characters."""
        return short(self.digest)

    def content(self, name: str) -> bytes:
        """What the file `name` holds, read once, and what the manifest says it holds.

        Whoever may write to the folder may change a file after it was opened: what is used is what
        was compared. Raises `BundleError` where the file is another one by now, or none.
        """
        file = self.path / name
        with bundle_faults(str(file)):
            found = file.read_bytes()
            wanted = self.digest if name == MANIFEST else self.manifest.files[name].sha256
            if hashlib.sha256(found).hexdigest() != wanted:
                raise _changed(file)
        return found

    @property
    def judged_digest(self) -> str:
        """The digest of the bundle whose metrics are this model's: itself, but for a refit one."""
        return self.manifest.judged or self.digest

    def twin(self) -> Bundle:
        """The bundle that was judged in its place: itself, but for one that was fitted again.

        Raises `BundleError` where it is not there, as in an image, or is another one.
        """
        if self.manifest.judged is None:
            return self
        found = open_bundle(self.path / JUDGED)
        if found.digest != self.manifest.judged:
            raise _changed(self.path / JUDGED)
        return found

    @property
    def model_file(self) -> Path:
        """`model.ubj` or `model.onnx`."""
        return self.path / MODEL_FILES[self.manifest.model]

    def trees(self) -> FeatureTrees:
        """The compiled feature expressions; `BundleError` where they are not the manifest's."""
        with bundle_faults(str(self.path / FEATURES)):
            trees = _read_trees(self.content(FEATURES))
            for name in self.python_files():
                provide(self.content(name))
                hide(self.manifest.sensitive)
            check_trees(self.manifest, trees)
        return trees

    def online(self) -> OnlinePlan | None:
        """The features that are looked up, None where there are none; raises `BundleError`."""
        if ONLINE not in self.manifest.files:
            return None
        with bundle_faults(str(self.path / ONLINE)):
            plan = _read_online(self.content(ONLINE))
            check_online(self.manifest, plan)
        return plan

    def python_files(self) -> tuple[str, ...]:
        """The files that hold functions of features: code, which a server runs."""
        return tuple(filter(is_python, self.manifest.files))

    def refuse_unserved(self) -> None:
        """Raise `UsageError` where a server could not make a feature: its function is not here."""
        held = {self.manifest.files[name].sha256 for name in self.python_files()}
        trees = self.trees().features
        for function in functions_of(tree.tree for tree in trees):
            if function.sha256 not in held:
                raise UsageError(
                    f"{self.version} has the feature {function.shown}, whose code its bundle does "
                    "not hold: no server can make it",
                    hint="set features.python_in_server: true in mlops.yaml and `mlops run`, or "
                    "make it a row feature; `mlops score` needs neither",
                )

    def profile(self) -> Profile:
        """Drift's reference; raises `BundleError`."""
        with bundle_faults(str(self.path / PROFILE)):
            return _read_profile(self.content(PROFILE))

    def requirements(self) -> dict[str, str]:
        """What serving needs to be installed: versions by name; raises `BundleError`."""
        with bundle_faults(str(self.path / REQUIREMENTS)):
            return parse_requirements(self.content(REQUIREMENTS).decode("ascii"))

    def golden(self) -> Iterator[GoldenRow]:
        """The golden rows, one at a time; raises `BundleError` for a bad row, and for none."""
        file, n = self.path / GOLDEN, 0
        for n, line in enumerate(io.BytesIO(self.content(GOLDEN)), 1):
            with bundle_faults(f"row {n} of {file}"):
                row = _read_golden(line)
                check_golden(self.manifest, len(row.features), row.prediction)
            yield row
        if not n:
            raise BundleError(f"{file} holds no rows", hint="train again")


@contextmanager
def bundle_faults(what: str) -> Iterator[None]:
    """Whatever is wrong with a bundle's content in this block becomes a `BundleError` on `what`."""
    try:
        yield
    except MlopsError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as e:  # fmt: skip  RecursionError and msgspec's are among them
        said = str(e) or type(e).__name__
        raise BundleError(f"{what}: {said[:_SHOWN]}", hint=_RESTORE) from e


def bundle_folder(path: Path) -> Path:
    """The folder of the bundle in `path`: itself, or the one in a version that MLflow keeps."""
    nested = not (path / MANIFEST).is_file() and (path / FOLDER / MANIFEST).is_file()
    return path / FOLDER if nested else path


def open_bundle(path: Path) -> Bundle:
    """Read and verify the bundle in the folder `path`, or in the version that MLflow put there.

    Raises `BundleError` for a missing or changed file, one that the manifest does not name, a
    format whose major version this release does not know, a manifest whose parts do not fit one
    another, and requirements that are anything but versions of what serving needs.
    """
    path = bundle_folder(path)
    manifest_file = path / MANIFEST
    with bundle_faults(str(manifest_file)):
        if not manifest_file.is_file():
            raise BundleError(
                f"{path} is not a bundle: it has no {MANIFEST}", hint="make one with `mlops train`"
            )
        if manifest_file.stat().st_size > _LARGEST:
            raise BundleError(f"{manifest_file} has more than {_LARGEST} bytes", hint=_RESTORE)
        raw = manifest_file.read_bytes()
        _check_format(manifest_file, raw)
        plain_json(raw)
        manifest = _read_manifest(raw)
        check_manifest(manifest)
    with bundle_faults(str(path)):
        _check_files(path, manifest)
    bundle = Bundle(path=path, manifest=manifest, digest=digest_of(raw))
    bundle.requirements()
    return bundle


def _check_format(file: Path, raw: bytes) -> None:
    try:
        found = _read_format(raw).format
    except (ValueError, RecursionError) as e:
        raise BundleError(
            f"{file} is not a manifest: {str(e)[:_SHOWN]}", hint="run `mlops train` again"
        ) from e
    if found.partition(".")[0] not in _READ:
        raise BundleError(
            f"{file} has format {found[:20]}, and this release reads {FORMAT} and {FORMAT_DECIDED}",
            hint="install the release of mlops-cli that wrote it, or train again",
        )


def _check_files(path: Path, manifest: Manifest) -> None:
    wanted = {*REQUIRED, MODEL_FILES[manifest.model]}
    if missing := sorted(wanted - manifest.files.keys()):
        raise BundleError(f"{path / MANIFEST} does not name {', '.join(missing)}")
    may = {*_MAY, *filter(is_python, manifest.files)}
    if more := sorted(manifest.files.keys() - wanted - may):
        raise BundleError(
            f"{path / MANIFEST} names {more[0]}, which no bundle holds", hint=_RESTORE
        )
    for name, entry in manifest.files.items():
        file = path / name
        if Path(name).name != name or not file.is_file():
            raise BundleError(f"{file} is missing from the bundle", hint=_RESTORE)
        if sha256_of(file) != entry.sha256:
            raise _changed(file)
    known = {*manifest.files, MANIFEST, PROVENANCE} | ({JUDGED} if manifest.judged else set())
    if extra := sorted(p.name for p in path.iterdir() if p.name not in known):
        raise BundleError(f"{path / extra[0]} does not stand in {MANIFEST}", hint="remove it")


def is_python(name: str) -> bool:
    """Whether a bundle's file of that name holds functions of features."""
    return name.startswith(PYTHON) and name.endswith(".py")


def _changed(file: Path) -> BundleError:
    return BundleError(f"{file} is not the file that {MANIFEST} names", hint=_RESTORE)


_RESTORE = "restore the bundle: `dvc checkout model`, or take it from the registry again"
