"""XGBoost without SciPy, which is five times its size.

XGBoost imports `scipy.sparse` to ask whether a matrix is one of its classes. A server's are arrays
of numpy, so classes of which there is no instance give the same answer: docs/decisions/014.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

_CLASSES = ("spmatrix", *(f"{form}_{kind}" for form in ("csr", "csc", "coo")
                          for kind in ("matrix", "array")))  # fmt: skip


def stand_in_for_scipy() -> None:
    """Let `import scipy.sparse` of this process find classes without instances, from now on.

    Does nothing where SciPy or XGBoost was imported before.
    """
    if "scipy" in sys.modules or "xgboost" in sys.modules:
        return
    whole, sparse = ModuleType("scipy"), ModuleType("scipy.sparse")
    for name in _CLASSES:
        setattr(sparse, name, type(name, (), {}))
    whole.sparse = sparse  # type: ignore[attr-defined]  # a module has what it is given
    sys.modules.update({"scipy": whole, "scipy.sparse": sparse})


def stand_in_where_it_is_missing() -> None:
    """The same, unless SciPy is installed."""
    try:
        missing = importlib.util.find_spec("scipy") is None
    except (ImportError, ValueError):  # a finder that blocks it; a stand-in has no spec
        missing = True
    if missing:
        stand_in_for_scipy()
