"""Python modules that stand in a project's folder: their files, and a function of one."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from mlops_cli.errors import UsageError

_SHOWN = 300


def module_files(root: Path, module: str) -> list[str]:
    """The files of `module` (dotted) and of what it imports from the folder `root`, sorted.

    Paths are relative to `root`; none where the folder has no such module. What is imported by a
    name that is put together, or through `importlib`, is not seen.
    """
    found: dict[Path, None] = {}
    waiting = [module] if _file_of(root, module) else []
    while waiting:
        name = waiting.pop()
        file = _file_of(root, name)
        if file is None or file in found:
            continue
        found[file] = None
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        waiting += _parents(name)
        waiting += _imported(file, package)
    return sorted(file.relative_to(root).as_posix() for file in found)


@contextmanager
def function_of(root: Path, module: str, name: str, *, key: str) -> Iterator[Callable[..., Any]]:
    """The function `name` of a module in the folder `root`, which can be imported from meanwhile.

    It is read anew, and nothing of it stays among the modules of this process. Raises `UsageError`,
    which begins with `key` of the configuration, where there is none or it cannot be imported.
    """
    at = f"mlops.yaml: {key} names {module}:{name}"
    files = module_files(root, module)
    if not files:
        raise UsageError(
            f"{at}, and there is no {module.replace('.', '/')}.py in {root.name}",
            hint="write it there, as a function that returns the estimator",
        )
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # a project holds what its people wrote
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        found = getattr(_imported_anew(root, module, at), name, None)
        if not callable(found):
            raise UsageError(f"{at}, which {files[-1]} does not have as a function")
        yield found
    finally:
        _forget({root / file for file in files})  # they may change, and another project have others
        sys.path.remove(str(root))
        sys.dont_write_bytecode = before


def place_of(root: Path, error: BaseException) -> str:
    """The last line of a project's file that an error went through, or the error's kind."""
    at, step = "", error.__traceback__
    while step is not None:
        file = Path(step.tb_frame.f_code.co_filename)
        if file.is_relative_to(root):
            at = f" ({file.relative_to(root).as_posix()}, line {step.tb_lineno})"
        step = step.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        at = f" ({Path(error.filename).name}, line {error.lineno})"
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(str(said).split())[:_SHOWN]}{at}"


def _imported_anew(root: Path, module: str, at: str) -> ModuleType:
    try:
        made = importlib.import_module(module)
    except Exception as e:  # whatever a person's module does when it is imported
        raise UsageError(
            f"{at}, which cannot be imported: {place_of(root, e)}",
            hint="mend it, or install what it needs beside mlops-cli",
        ) from e
    file = getattr(made, "__file__", None)
    if file is None or not Path(file).is_relative_to(root):
        raise UsageError(
            f"{at}, and another module of that name was imported before it",
            hint="give the file a name of its own",
        )
    return made


def _forget(files: set[Path]) -> None:
    """Nobody imports what was imported of these without reading it again."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file) in files:
            del sys.modules[name]


def _file_of(root: Path, module: str) -> Path | None:
    if not module:
        return None
    path = root.joinpath(*module.split("."))
    tries = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in tries if file.is_file()), None)


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _imported(file: Path, package: str) -> Iterator[str]:
    """The modules that a file may import, by their dotted names; none of a file that is no Python.

    `from a import b` may mean the module a.b as well as a name of a.
    """
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return  # whoever imports it tells where
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])
