"""What a file says of its functions without being run: their arguments, and the type they give."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_cli.config.model import Config
from mlops_cli.config.paths import CONFIG
from mlops_cli.errors import UsageError
from mlops_cli.expressions.python_sources import OP, Function, provide
from mlops_cli.expressions.tree import FeatureTree, Node, ValueType
from mlops_cli.features.expressions import unknown_column

_TYPES: Mapping[str, ValueType] = {
    "bool": "boolean",
    "int": "integer",
    "float": "float",
    "str": "text",
    "date": "date",
    "datetime": "timestamp",
    "datetime.date": "date",
    "datetime.datetime": "timestamp",
}
_GIVES: tuple[ValueType, ...] = ("boolean", "integer", "float", "text")
_HINT = "a function of one row is `def NAME(COLUMN: float | None, ...) -> float | None:`"
_LARGEST = 1 << 20  # bytes of a file: it goes into the bundle


@dataclass(frozen=True, slots=True)
class Declared:
    """A function of a file: the types that its arguments are to have (None: not said)."""

    function: Function
    arguments: Mapping[str, ValueType | None]
    returns: ValueType


def declared(root: Path, key: str, text: str) -> Declared:
    """The function that `text` (`features/x.py:function`) names, by its file in the project.

    The file is read, not run. Without an annotation a function gives a number (float). Raises
    `UsageError` naming `key` for a file or a function that is not there, one that cannot be a
    feature (no arguments, `*args`, a coroutine), and a type that no feature has.
    """
    path, _, name = text.rpartition(":")
    content = _read(root, key, path)
    try:
        tree = ast.parse(content, path)
    except (SyntaxError, ValueError, RecursionError) as e:
        said = f", line {e.lineno}: {e.msg}" if isinstance(e, SyntaxError) else f": {e}"
        raise _at(key, f"{path}{said[:200]}", f"fix {path}") from e
    found = _defined(tree, name)
    if found is None:
        known = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
        raise _at(key, f"{path} has no function {name!r}", f"it has {', '.join(known) or 'none'}")
    arguments = _arguments(key, text, found)
    return Declared(Function(path, name, provide(content)), arguments, _returns(key, text, found))


def python_trees(
    config: Config,
    known: Mapping[str, ValueType],
    others: Sequence[FeatureTree],
    root: Path | None,
) -> Iterator[FeatureTree]:
    """The features of `features.python`: functions of columns, row features, and those before them.

    `known` are the types of all columns, `others` the features that are no functions. Raises
    `UsageError` as `declared` and `python_node`, and for a name that is taken.
    """
    nodes = {name: Node("column", kind, value=name) for name, kind in known.items()}
    nodes |= {tree.name: tree.tree for tree in others if tree.name in config.features.row}
    for i, text in enumerate(config.features.python):
        if root is None:
            raise UsageError(f"{CONFIG}: features.python needs the project's folder")
        found = declared(root, key := f"features.python.{i}", text)
        name = found.function.function
        if name.lower() in {other.lower() for other in (*nodes, config.data.target_name)}:
            raise _at(
                key,
                f"the name `{name}` is taken: a column or another feature has it",
                "choose another name",
            )
        nodes[name] = python_node(key, found, nodes)
        yield FeatureTree(name, nodes[name])


def python_node(key: str, found: Declared, known: Mapping[str, Node]) -> Node:
    """The tree of a call, by the trees of all that an argument may be: columns, row features.

    Raises `UsageError` naming `key` for an argument that is none of them, or of another type.
    """
    args = []
    for name, wanted in found.arguments.items():
        if name not in known:
            e = unknown_column(name, {n: node.type for n, node in known.items()})
            raise UsageError(f"{CONFIG}: {key}: {e.message}", hint=e.hint)
        node = known[name]
        if wanted is not None and wanted != node.type and (node.type, wanted) not in _FITS:
            raise _at(
                key,
                f"the argument `{name}` is declared as {wanted}, and it is {node.type}",
                f"annotate it by what it is, or make a row feature of `{name}`",
            )
        args.append(node)
    return Node(OP, found.returns, tuple(args), str(found.function))


def refuse_imports(path: str, content: bytes) -> None:
    """Raise `UsageError` where a file imports what an image of a server lacks.

    It has Python's own library and NumPy, and no other file of the project.
    """
    for node in ast.walk(ast.parse(content, path)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        for name in names:
            if name.partition(".")[0] not in _IN_AN_IMAGE:
                raise UsageError(
                    f"{path}, line {getattr(node, 'lineno', 0)} imports {name}, which the image of "
                    "a server does not have",
                    hint="a function in a server has Python's own library and numpy, and stands "
                    "in one file; or set features.python_in_server: false",
                )


_IN_AN_IMAGE = {*sys.stdlib_module_names, "numpy"}
_FITS = {("integer", "float"), ("date", "timestamp")}  # as Python itself takes them


def _read(root: Path, key: str, path: str) -> bytes:
    file = root / path
    if not file.resolve().is_relative_to(root.resolve()):
        raise _at(key, f"{path} stands outside the project", "put it into the folder features/")
    try:
        content = file.read_bytes()
    except OSError as e:
        why = "is not there" if isinstance(e, FileNotFoundError) else f"cannot be read: {e}"
        raise _at(key, f"{path} {why}", "features.python: [features/FILE.py:FUNCTION]") from e
    if len(content) > _LARGEST:
        raise _at(key, f"{path} has more than {_LARGEST} bytes", "keep data out of the code")
    return content


def _defined(tree: ast.Module, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The last function of that name at the top of the file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return next((n for n in tree.body[::-1] if isinstance(n, kinds) and n.name == name), None)


def _arguments(
    key: str, text: str, found: ast.FunctionDef | ast.AsyncFunctionDef
) -> dict[str, ValueType | None]:
    said = found.args
    generator = any(isinstance(n, ast.Yield | ast.YieldFrom) for n in _own(found))
    if isinstance(found, ast.AsyncFunctionDef) or generator:
        raise _at(key, f"{text} gives no value but a coroutine or a generator", _HINT)
    if said.vararg or said.kwarg or said.kwonlyargs:
        raise _at(key, f"{text} has arguments by * or **: a feature's have names", _HINT)
    each = [*said.posonlyargs, *said.args]
    if not each:
        raise _at(key, f"{text} has no argument: it would be the same for every row", _HINT)
    return {a.arg: _annotated(a.annotation) for a in each}


def _own(found: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function's body, but not of functions within it."""
    for node in ast.iter_child_nodes(found):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _own(node)


def _returns(key: str, text: str, found: ast.FunctionDef | ast.AsyncFunctionDef) -> ValueType:
    if found.returns is None:
        return "float"
    kind = _annotated(found.returns)
    if kind not in _GIVES:
        raise _at(
            key,
            f"{text} is declared to give {ast.unparse(found.returns)[:60]}, which is no feature",
            "a feature is float, int, bool or str, or None: `-> float | None`",
        )
    return kind


def _annotated(node: ast.expr | None) -> ValueType | None:
    """The type that an annotation says, `X | None` and `Optional[X]` as X; None for all others."""
    if node is None:
        return None
    text = node.value if isinstance(node, ast.Constant) else ast.unparse(node)
    parts = {part.strip() for part in str(text).split("|")} - {"None"}
    (part,) = parts if len(parts) == 1 else ("",)
    if part.startswith(("Optional[", "typing.Optional[")):
        part = part.partition("[")[2].removesuffix("]")
    return _TYPES.get(part)


def _at(key: str, message: str, hint: str) -> UsageError:
    return UsageError(f"{CONFIG}: {key}: {message}", hint=hint)
