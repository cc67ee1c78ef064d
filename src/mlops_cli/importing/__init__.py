"""Models that were trained elsewhere: read, made ready for serving, proven against their library.

What a file is, its content says (`recognise`); each form has an adapter, named by its library.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlops_cli._adapters import load_adapter
from mlops_cli.bundle.manifest import ClassLabel
from mlops_cli.importing.base import Original

_ADAPTERS: Mapping[str, tuple[str, str | None]] = {
    "xgboost": ("mlops_cli.importing.xgboost", None),
    "lightgbm": ("mlops_cli.importing.lightgbm", "lightgbm"),
    "onnx": ("mlops_cli.importing.onnx", None),
}


def open_original(
    form: str, content: bytes, classes: tuple[ClassLabel, ...] | None = None
) -> Original:
    """The model of a file's content by its form; raises what its adapter raises."""
    module, extra = _ADAPTERS[form]
    original: Original = load_adapter(module, extra=extra).open_original(content, classes=classes)
    return original
