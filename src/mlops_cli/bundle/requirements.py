"""The bundle's `requirements.txt`: exact versions of packages that serving needs, and no more.

pip obeys much that may stand in such a file: an index, a path, an archive, a package's own build.
Here a line is a name that is known and its version, or the bundle is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires

from mlops_cli.bundle.manifest import ModelKind

ROOTS = ("msgspec", "numpy", "uvicorn", "httptools", "uvloop")
ENGINES: dict[ModelKind, str] = {"xgboost": "xgboost", "onnx": "onnxruntime"}
# What those have needed in any release of them; a bundle may be older than what is installed here.
_BELOW = ("click", "coloredlogs", "flatbuffers", "h11", "humanfriendly", "mpmath", "packaging",
          "prometheus-client", "protobuf", "scipy", "sympy", "typing-extensions",
          "xgboost-cpu")  # fmt: skip
# Where a release of this package is: no index has it.
PACKAGE = "mlops-cli @ git+https://github.com/mlops-cli/mlops-cli@v{}"
KNOWN = frozenset((*ROOTS, *ENGINES.values(), *_BELOW))
_LINE = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)==([0-9][0-9A-Za-z.!+-]{0,63})", re.ASCII)
_OPTIONAL = re.compile(r"\bextra\s*==")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def parse_requirements(text: str) -> dict[str, str]:
    """The versions by name (canonical), in the file's order.

    Raises `ValueError` for a line that is anything but `name==version`, a name that stands twice,
    and one that serving does not need.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"line {number} is not name==version: {ascii(line)[:80]}")
        name, version = match[1], match[2]
        if name in found:
            raise ValueError(f"line {number} names {name} again")
        if name not in KNOWN and name not in _needed_here():
            raise ValueError(f"line {number} names {name[:80]}, which serving does not need")
        found[name] = version
    return found


def format_requirements(versions: Mapping[str, str]) -> str:
    """A requirements.txt, sorted by name."""
    return "".join(f"{line}\n" for line in sorted(f"{n}=={v}" for n, v in versions.items()))


def canonical_name(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _needed_here() -> set[str]:
    """What the libraries that are installed here need: a new release of one may need another."""
    found: set[str] = set()
    waiting = [*ROOTS, *ENGINES.values()]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _requires(name)
    return found


def _requires(name: str) -> Iterator[str]:
    try:
        asked = requires(name) or []
    except PackageNotFoundError:
        return
    for line in asked:
        if not _OPTIONAL.search(line) and (match := _NAME.match(line)):
            yield canonical_name(match[0])
