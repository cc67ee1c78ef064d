"""A file whose reading can run code: read once, in a child process, by whom the user trusts."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import msgspec
import numpy as np

from mlops_cli.bundle.manifest import ClassLabel, Task
from mlops_cli.importing.base import Original, refused
from mlops_cli.importing.recognise import Form
from mlops_cli.progress import Progress
from mlops_cli.training.tree_splits import Numbers, Tree

CHILD = "mlops_cli.importing.sklearn"
_LENGTH = struct.Struct("<Q")


class Splits(msgspec.Struct, frozen=True):
    """A tree's inner nodes: see `trees.Tree`."""

    feature: list[int]
    threshold: list[float]
    left: list[int]
    right: list[int]


class Read(msgspec.Struct, frozen=True):
    """What the child read: a model of scikit-learn as ONNX, or a native one's own file."""

    form: str = ""
    native: Form | None = None
    contents: tuple[bytes, ...] = ()
    task: Task = "regression"
    width: int = 0
    names: tuple[str, ...] | None = None
    classes: tuple[ClassLabel, ...] | None = None
    outputs: int = 0
    trees: tuple[Splits, ...] = ()
    importance: tuple[float, ...] = ()
    missing: bool = False
    refused: str | None = None
    hint: str = ""


def send(stream: IO[bytes], content: bytes) -> None:
    """Write a message: its length, and its bytes."""
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """The next message; None where the other side has ended."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    content = stream.read(_LENGTH.unpack(head)[0])
    return content if len(content) == _LENGTH.unpack(head)[0] else None


@contextmanager
def read(file: Path, form: Form, *, progress: Progress) -> Iterator[Read | Original]:
    """What a child process makes of the file; its predictions come from there, in this block.

    A native model of another library is handed out as `Read`: its own adapter opens that. Raises
    `UsageError` where the child refuses, or ends over it.
    """
    progress.update(f"reading {file.name} in a process of its own")
    command = [sys.executable, "-P", "-m", CHILD, form, str(file.resolve())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            found = _first(child, file)
            yield found if found.native else _original(found, child, file)
        finally:
            child.kill()


def _first(child: subprocess.Popen[bytes], file: Path) -> Read:
    said = receive(cast("IO[bytes]", child.stdout))
    if said is None:
        raise refused(
            f"reading {file} ended a process with code {child.wait()}",
            hint="its output stands above: is what it was made with installed, at that version?",
        )
    found = msgspec.msgpack.decode(said, type=Read)
    if found.refused is not None:
        raise refused(found.refused, hint=found.hint)
    return found


def _original(found: Read, child: subprocess.Popen[bytes], file: Path) -> Original:
    asked, answers = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)

    def predict(matrix: Numbers) -> Numbers:
        send(asked, np.ascontiguousarray(matrix, np.float64).tobytes())
        said = receive(answers)
        if said is None:
            raise refused(f"the model of {file} ended its process", hint="its output stands above")
        shape = (len(matrix), -1) if found.task == "multiclass" else (len(matrix),)
        return np.frombuffer(said, np.float64).reshape(shape)

    return Original(
        form=found.form,
        kind="onnx",
        contents=found.contents,
        task=found.task,
        width=found.width,
        predict=predict,
        names=found.names,
        classes=found.classes,
        outputs=found.outputs,
        trees=[_tree(tree) for tree in found.trees],
        importance=found.importance,
        missing=found.missing,
    )


def _tree(of: Splits) -> Tree:
    return Tree(of.feature, of.threshold, of.left, of.right, [None] * len(of.feature))
