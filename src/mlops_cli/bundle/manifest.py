"""The manifest: the one file whose sha256 names a model everywhere."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mlops_cli.expressions.tree import ValueType

FORMAT = "1.1"  # of 1.0, which is read as well, golden rows are rows of the data
# A release that reads 1 alone would answer such a bundle with other labels or numbers.
FORMAT_DECIDED = "2.0"
MANIFEST = "manifest.json"
PROVENANCE = "provenance.json"  # when and where it was made: outside the digest
FEATURES = "features.json"
PROFILE = "profile.json"
GOLDEN = "golden.jsonl"
REQUIREMENTS = "requirements.txt"
ONLINE = "online.json"  # where features are looked up by key
JUDGED = "judged"  # the folder of a bundle that was judged in its place: `Manifest.judged`
CALIBRATION = "calibration.json"  # where there is a calibrator or an interval
PYTHON = "python-"  # what the names of files begin with that hold the functions of features
LOW, HIGH = "low.ubj", "high.ubj"  # boosters of the lower and the upper quantile
FOLDER = "bundle"  # where a bundle stands in a version that MLflow keeps

Task = Literal["binary", "multiclass", "regression"]
Source = Literal["event", "join", "online"]
ModelKind = Literal["xgboost", "onnx"]
MODEL_FILES: dict[ModelKind, str] = {"xgboost": "model.ubj", "onnx": "model.onnx"}
ClassLabel = bool | int | str
THRESHOLD = 0.5  # the probability from which on a row is of the positive class, if none is chosen

# A pattern ends with "and nothing follows": `$` would let a line's end follow.
_END = r"(?![\s\S])"
ProjectName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}" + _END)]
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}" + _END)]
Version = Annotated[str, Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z.!+_-]{0,63}" + _END)]
MinorVersion = Annotated[str, Meta(pattern=r"^[0-9]{1,2}\.[0-9]{1,3}" + _END)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}" + _END)]
Name = Annotated[str, Meta(min_length=1, max_length=10_000)]  # of a column: any text is one

# What a manifest may name: a server imports it to compare its version, and nothing else.
Module = Literal["numpy", "xgboost", "onnxruntime"]
MODULES: dict[ModelKind, tuple[Module, ...]] = {
    "xgboost": ("numpy", "xgboost"),
    "onnx": ("numpy", "onnxruntime"),
}


class Input(msgspec.Struct, frozen=True, omit_defaults=True):
    """One raw value that a request brings; `source` says who knows it.

    `missing` are texts that stand for a missing value; `format` is how dates and moments are
    written, where they are not ISO 8601 (see `expressions.moments`), or numbers, where they have a
    decimal comma (see `expressions.decimal_comma`).
    """

    name: Name
    type: ValueType
    nullable: bool
    categories: tuple[str, ...] | None
    source: Source
    missing: tuple[str, ...] = ()
    format: str | None = None


class Feature(msgspec.Struct, frozen=True):
    """One column of the model's float32 matrix.

    A `category` is the index of its text in `categories` (frozen when the model was fitted);
    unseen and null are missing. A `numeric` value that is null, NaN, infinite or beyond float32
    is missing; booleans are 0 and 1. Missing is NaN.
    """

    name: Name
    kind: Literal["numeric", "category"]
    categories: tuple[str, ...] | None = None


class Target(msgspec.Struct, frozen=True):
    """What is predicted: a column, or a name for an expression."""

    name: Name
    expression: str | None = None


class File(msgspec.Struct, frozen=True):
    """What one file of the bundle must be."""

    sha256: Sha256


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content of `manifest.json`; docs/schemas/manifest.schema.json is made from it.

    `classes` are in the order of the model's outputs (binary: negative, positive) and null for a
    regression. `modules` are the versions that serving must find, `python` the minor version.
    `id` are the columns of `data.id`, which a request may bring beside the inputs, and `sensitive`
    those that the prediction log leaves out unless it is asked for them. `threshold` is the
    probability from which on a row is of the positive class, `interval` how often the target is to
    lie between `low` and `high`, which a regression then answers beside the value. `judged` is the
    digest of its twin, fitted without the hold-out: its metrics are this model's. The twin stands
    in the folder `judged`, which a server has no need of.
    """

    format: str
    project: ProjectName
    task: Task
    target: Target
    classes: tuple[ClassLabel, ...] | None
    model: ModelKind
    inputs: tuple[Input, ...]
    features: Annotated[tuple[Feature, ...], Meta(min_length=1)]
    python: MinorVersion
    modules: dict[Module, Version]
    files: dict[FileName, File]
    id: tuple[Name, ...] = ()
    sensitive: tuple[Name, ...] = ()
    threshold: Annotated[float, Meta(ge=0, le=1)] = THRESHOLD
    interval: Annotated[float, Meta(gt=0, lt=1)] | None = None
    judged: Sha256 | None = None

    @property
    def decided(self) -> bool:
        """Whether an answer takes more than a request and the model's number: format 2."""
        more = CALIBRATION in self.files or ONLINE in self.files
        return self.threshold != THRESHOLD or self.interval is not None or more


def class_key(label: ClassLabel) -> str:
    """A class as a JSON key: booleans in lower case, as JSON writes them."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def digest_of(manifest_bytes: bytes) -> str:
    """The model's name: the sha256 (64 hex digits) of `manifest.json` as it stands on disk."""
    return hashlib.sha256(manifest_bytes).hexdigest()


def short(digest: str) -> str:
    """The first 12 characters, which name the version in answers, tags and reports."""
    return digest[:12]
