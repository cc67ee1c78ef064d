"""Sources of Python features, by their digest: a model's functions are those it was made with."""

from __future__ import annotations

import hashlib
import re
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlops_cli.errors import BundleError, UsageError
from mlops_cli.expressions.tree import Node
from mlops_cli.expressions.values import Refused

OP = "python"  # of a node whose value is a function of its arguments
_NAME = re.compile(r"(?P<path>[^@\n]{1,1000}\.py):(?P<function>\w{1,200})@(?P<sha256>[0-9a-f]{64})")
_SHOWN = 200
_known: dict[str, bytes] = {}
_places: dict[Path, tuple[str, ...]] = {}
_hidden: set[str] = set()


class PythonFault(UsageError, Refused):
    """A feature's function that does not do what it has to; to a server, a row that is refused."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a file of the project (`path`) whose content has the digest `sha256`."""

    path: str
    function: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.path}:{self.function}@{self.sha256}"

    @property
    def shown(self) -> str:
        """As `mlops.yaml` has it."""
        return f"{self.path}:{self.function}"


def function_of(node: Node) -> Function:
    """What a node of `OP` calls; raises `BundleError` where it names none."""
    match = _NAME.fullmatch(str(node.value))
    if match is None or not node.args:
        raise BundleError(f"features.json: {str(node.value)[:80]!r} names no function of a file")
    return Function(match["path"], match["function"], match["sha256"])


def functions_of(nodes: Iterable[Node]) -> Iterator[Function]:
    """The functions that trees call, in their order, each as often as it is called."""
    for node in nodes:
        yield from functions_of(node.args)
        if node.op == OP:
            yield function_of(node)


def provide(content: bytes) -> str:
    """Make a source known; its digest."""
    digest = hashlib.sha256(content).hexdigest()
    _known[digest] = content
    return digest


def look_in(root: Path, paths: Iterable[str]) -> None:
    """Where sources may be found that nobody provides: these files of the project at `root`."""
    _places[root] = tuple(paths)


def hide(names: Iterable[str]) -> None:
    """Columns whose values no fault shows."""
    _hidden.update(names)


def hidden() -> frozenset[str]:
    """Columns whose values no fault shows."""
    return frozenset(_hidden)


def source_of(function: Function) -> bytes:
    """The content of its file; raises `BundleError` where no file of that content is known."""
    if function.sha256 not in _known:
        for root, paths in _places.items():
            for path in paths:
                if (file := root / path).is_file():
                    provide(file.read_bytes())
    if function.sha256 not in _known:
        raise BundleError(
            f"the model needs the function {function.shown} as it was when the model was made "
            f"(sha256 {function.sha256[:12]}...), and it is not here",
            hint="with `features.python_in_server: true` in mlops.yaml a bundle holds it; "
            f"or bring {function.path} back by git",
        )
    return _known[function.sha256]


@lru_cache(maxsize=256)
def loaded(function: Function) -> Callable[..., Any]:
    """The function, its file run once in this process; see `load`."""
    return load(function)


def load(function: Function) -> Callable[..., Any]:
    """Run the function's file anew, and return the function.

    Raises `PythonFault` for a file that does not run, with its line, or lacks the function;
    `BundleError` as `source_of`.
    """
    module = types.ModuleType(f"mlops_feature_{function.sha256[:12]}")
    module.__file__ = function.path
    try:
        code = compile(source_of(function), function.path, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102  the project's own file, by its digest
    except ModuleNotFoundError as e:
        raise PythonFault(
            f"{function.path} imports {e.name}, which is not installed{_line(e, function.path)}",
            hint=f"install {e.name} here, or do without it: a server has only what the image has",
        ) from e
    except (Exception, SystemExit) as e:
        raise PythonFault(
            f"{function.path} does not run: {told(e, function.path)}", hint=f"fix {function.path}"
        ) from e
    found = getattr(module, function.function, None)
    if not callable(found):
        raise PythonFault(
            f"{function.path} has no function {function.function}", hint=f"fix {function.path}"
        )
    made: Callable[..., Any] = found
    return made


def told(error: BaseException, path: str, *, words: bool = True) -> str:
    """An error by its kind, what it says (`words`) and the line of the file `path`."""
    said = " ".join(str(error).split())[:_SHOWN] if words else ""
    return f"{type(error).__name__}{f': {said}' if said else ''}{_line(error, path)}"


def _line(error: BaseException, path: str) -> str:
    """The last line of the file that was run when it was raised."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return f" ({path}, line {error.lineno})"
    found, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == path:
            found = step.tb_lineno
        step = step.tb_next
    return f" ({path}, line {found})" if found is not None else ""
