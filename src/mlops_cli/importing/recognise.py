"""What a model's file is, by its content: a name may say anything."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mlops_cli._json import plain_json
from mlops_cli.config.document import read_yaml
from mlops_cli.errors import UsageError

Form = Literal["xgboost", "lightgbm", "onnx", "pickle", "skops"]
EXECUTED: tuple[Form, ...] = ("pickle", "skops")  # reading one can run what its author wished
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00", b"\x04\x22\x4d\x18", b"\x78")
_FLAVORS = ("xgboost", "lightgbm", "onnx", "sklearn")  # of an MLflow folder: the first that it has
_FILES = ("data", "pickled_model", "model_data")
_READ = "these can be imported: XGBoost (.json, .ubj), LightGBM's text, ONNX; with --trust a pickle"
_READ += " or joblib file of scikit-learn, skops, and an MLflow model folder"


@dataclass(frozen=True, slots=True)
class Found:
    """A model's own file, its form, and the names of inputs that stand beside it."""

    file: Path
    form: Form
    names: tuple[str, ...] | None = None


def recognise(path: Path) -> Found:
    """What `path`, a file or a folder of MLflow, holds.

    Raises `UsageError` for what does not exist or cannot be imported.
    """
    if path.is_dir():
        return _of_mlflow(path)
    if not path.is_file():
        raise UsageError(f"no such file: {path}", hint=_READ)
    return Found(path, form_of(path))


def form_of(file: Path) -> Form:
    """The form of a file, by its content. Raises `UsageError` for one that is none of them."""
    with file.open("rb") as opened:
        head = opened.read(4096)
    text = head.lstrip()
    if is_json(head):
        return _of_json(file)
    if head.startswith(b"{"):
        return "xgboost"  # UBJSON, whatever it is called
    if text.startswith((b"tree\n", b"tree\r\n")):
        return "lightgbm"
    if zipfile.is_zipfile(file):
        return _of_zip(file)
    if _is_pickle(head) or head.startswith(_COMPRESSED):
        return "pickle"
    if head[:1] == b"\x08" and len(head) > 2:  # protobuf: the first field, the version
        return "onnx"
    raise _unknown(file)


def is_json(head: bytes) -> bool:
    """Whether a file that begins so is an object of JSON: UBJSON has zeros among its lengths."""
    return head.lstrip().startswith(b"{") and b"\x00" not in head[:4096]


def _of_json(file: Path) -> Form:
    try:
        found = plain_json(file.read_bytes())
    except ValueError as e:
        raise UsageError(f"{file} is damaged JSON: {e}", hint="write it again") from e
    if isinstance(found, dict) and "learner" in found:
        return "xgboost"
    if isinstance(found, dict) and "tree_info" in found:
        raise UsageError(
            f"{file} is LightGBM's dump, which LightGBM itself cannot read again",
            hint="save the model as text: booster.save_model(FILE)",
        )
    raise _unknown(file)


def _of_zip(file: Path) -> Form:
    with zipfile.ZipFile(file) as archive:
        if "schema.json" in archive.namelist():
            return "skops"
    raise _unknown(file)


def _is_pickle(head: bytes) -> bool:
    """Protocols from 2 on begin with their number; the older ones are text."""
    return (head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")) or (
        head[:1] in (b"c", b"(") and b"\n" in head[:200]
    )


def _of_mlflow(folder: Path) -> Found:
    file = folder / "MLmodel"
    if not file.is_file():
        raise UsageError(f"{folder} is a folder without a file MLmodel", hint=_READ)
    said: Any = read_yaml(file)
    try:
        flavors = said["flavors"]
        name = next(f for f in _FLAVORS if f in flavors)
        inner = next(str(flavors[name][key]) for key in _FILES if key in flavors[name])
    except (KeyError, TypeError, StopIteration) as e:
        raise UsageError(f"{file} names no model of {', '.join(_FLAVORS)}", hint=_READ) from e
    model = (folder / inner).resolve()
    if not model.is_relative_to(folder.resolve()):
        raise UsageError(f"{file} names {inner}, which stands outside of it", hint="log it again")
    if model.is_dir():
        files = [p for p in sorted(model.iterdir()) if p.is_file()]
        model = files[0] if len(files) == 1 else model
    found = recognise(model) if model.is_file() else None
    if found is None:
        raise UsageError(f"{file} names {inner}, which is not there", hint="log it again")
    return Found(found.file, found.form, _signature(said))


def _signature(said: Any) -> tuple[str, ...] | None:
    """The names of the inputs, where the folder has them."""
    try:
        inputs = json.loads(said["signature"]["inputs"])
        names = tuple(str(column["name"]) for column in inputs)
    except (KeyError, TypeError, ValueError):
        return None
    return names or None


def _unknown(file: Path) -> UsageError:
    return UsageError(f"{file} is no model that can be imported, by its content", hint=_READ)
