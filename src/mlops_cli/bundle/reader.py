"""Open a bundle: every file is what the manifest says, or it is refused, naming the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mlops_cli._files import sha256_of
from mlops_cli.bundle.manifest import (
    FEATURES,
    FORMAT,
    GOLDEN,
    MANIFEST,
    MODEL_FILES,
    PROFILE,
    PROVENANCE,
    REQUIREMENTS,
    Manifest,
    digest_of,
    short,
)
from mlops_cli.bundle.profile import Profile
from mlops_cli.errors import BundleError
from mlops_cli.expressions.tree import FeatureTrees

T = TypeVar("T")
REQUIRED = (FEATURES, PROFILE, GOLDEN, REQUIREMENTS)


class GoldenRow(msgspec.Struct, frozen=True):
    """A row that the model must reproduce: raw inputs, features (null: missing), prediction."""

    inputs: dict[str, bool | int | float | str | None]
    features: tuple[float | None, ...]
    prediction: dict[str, Any]


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

    @property
    def model_file(self) -> Path:
        """`model.ubj` or `model.onnx`."""
        return self.path / MODEL_FILES[self.manifest.model]

    def trees(self) -> FeatureTrees:
        """The compiled feature expressions."""
        return _decode(self.path / FEATURES, FeatureTrees)

    def profile(self) -> Profile:
        """Drift's reference."""
        return _decode(self.path / PROFILE, Profile)

    def golden(self) -> Iterator[GoldenRow]:
        """The golden rows, one at a time."""
        decoder = msgspec.json.Decoder(GoldenRow)
        with (self.path / GOLDEN).open("rb") as lines:
            for line in lines:
                yield decoder.decode(line)


def open_bundle(path: Path) -> Bundle:
    """Read and verify the bundle in the folder `path`.

    Raises `BundleError` for a missing or changed file, one that the manifest does not name, or a
    format whose major version this release does not know.
    """
    manifest_file = path / MANIFEST
    if not manifest_file.is_file():
        raise BundleError(
            f"{path} is not a bundle: it has no {MANIFEST}", hint="make one with `mlops train`"
        )
    raw = manifest_file.read_bytes()
    _check_format(manifest_file, raw)
    manifest = _decode(manifest_file, Manifest)
    _check_files(path, manifest)
    return Bundle(path=path, manifest=manifest, digest=digest_of(raw))


def _check_format(file: Path, raw: bytes) -> None:
    try:
        found = msgspec.json.decode(raw)["format"]
        major = str(found).partition(".")[0]
    except (msgspec.DecodeError, KeyError, TypeError) as e:
        raise BundleError(f"{file} is not a manifest: {e}", hint="run `mlops train` again") from e
    if major != FORMAT.partition(".")[0]:
        raise BundleError(
            f"{file} has format {found}, and this release reads {FORMAT}",
            hint="install the release of mlops-cli that wrote it, or train again",
        )


def _check_files(path: Path, manifest: Manifest) -> None:
    wanted = {*REQUIRED, MODEL_FILES[manifest.model]}
    if missing := sorted(wanted - manifest.files.keys()):
        raise BundleError(f"{path / MANIFEST} does not name {', '.join(missing)}")
    for name, entry in manifest.files.items():
        file = path / name
        if Path(name).name != name or not file.is_file():
            raise BundleError(f"{file} is missing from the bundle", hint=_RESTORE)
        if sha256_of(file) != entry.sha256:
            raise BundleError(f"{file} is not the file that {MANIFEST} names", hint=_RESTORE)
    known = {*manifest.files, MANIFEST, PROVENANCE}
    if extra := sorted(p.name for p in path.iterdir() if p.name not in known):
        raise BundleError(f"{path / extra[0]} does not stand in {MANIFEST}", hint="remove it")


_RESTORE = "restore the bundle: `dvc checkout model`, or take it from the registry again"


def _decode(file: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except msgspec.DecodeError as e:
        raise BundleError(f"{file}: {e}", hint=_RESTORE) from e
