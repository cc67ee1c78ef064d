"""Hold `model.onnx` to what it may hold, before ONNX Runtime reads it.

The fields are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; serving has no
library for protocol buffers, and needs a few of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlops_cli.serving.trees import check_paths

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
_DEEPEST = 20  # graphs within graphs
_FORESTS = ("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble")
_UINT8, _DOUBLE = 2, 11  # of onnx.proto's TensorProto
_MEMBER = 6  # of the newest kind's modes: a value of a set
_LEAF = b"LEAF"
_LARGEST = (1 << 31) - 1
_Message = dict[int, list[Any]]
_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Forest:
    """A forest of a model: the tensor that it reads, the last feature it splits by, and the model
    up to it, whose one output is that tensor; None where the tensor is an input."""

    tensor: str
    last: int
    before: bytes | None


def check_onnx(content: bytes) -> list[Forest]:
    """The forests of a model, in their order.

    Raises `ValueError` for what is no ONNX model, reads other files, has operators of other
    domains than ONNX's own, or trees that cannot be followed.
    """
    model = _message(content)
    if 7 not in model:
        raise ValueError("it is no ONNX model: it has no graph")
    if 25 in model:
        raise ValueError("it has operators of its own (functions)")
    if 20 in model:
        raise ValueError("it brings its training")
    if len(model[7]) > 1:
        raise ValueError("it has several graphs")
    graph = _message(model[7][0])
    last = _check_graph(graph, 0)
    return [_forest(model, graph, i, found) for i, found in last.items()]


def _forest(model: _Message, graph: _Message, place: int, last: int) -> Forest:
    tensor = _text(_message(graph[1][place]), 1)
    if tensor in {_text(_message(given), 1) for given in graph.get(11, ())}:
        return Forest(tensor, last, None)
    # The fields of onnx.proto: of a graph 1 are its nodes, 12 its outputs; of a model 7 is a graph.
    cut = {k: v for k, v in graph.items() if k != 12}
    cut[1] = graph[1][:place]
    cut[12] = [_written({1: [tensor.encode()]})]
    return Forest(tensor, last, _written({**model, 7: [_written(cut)]}))


def _check_graph(graph: _Message, depth: int) -> dict[int, int]:
    """The last feature that a forest splits by, of those among the graph's nodes, by place."""
    if depth > _DEEPEST:
        raise ValueError(f"its graphs are nested deeper than {_DEEPEST}")
    for tensor in graph.get(5, ()):
        _check_tensor(tensor)
    for sparse in graph.get(15, ()):
        _check_sparse(sparse)
    last = {i: _check_node(_message(node), depth) for i, node in enumerate(graph.get(1, ()))}
    return {i: found for i, found in last.items() if found is not None}


def _check_node(node: _Message, depth: int) -> int | None:
    domain, operator = _text(node, 7), _text(node, 4)
    if domain not in DOMAINS:
        raise ValueError(f"it has an operator of another domain: {f'{domain}.{operator}'!a}")
    attributes = _attributes(node)
    for attribute in attributes.values():
        if any(len(attribute.get(field, ())) > 1 for field in (5, 6, 22)):
            raise ValueError("an attribute has its value twice")  # others read both as one
        for tensor in (*attribute.get(5, ()), *attribute.get(10, ())):
            _check_tensor(tensor)
        for sparse in (*attribute.get(22, ()), *attribute.get(23, ())):
            _check_sparse(sparse)
        for graph in (*attribute.get(6, ()), *attribute.get(11, ())):
            _check_graph(_message(graph), depth + 1)
    if operator in _FORESTS:
        if depth:
            raise ValueError("it has a forest in a graph within a graph")
        check = _check_ensemble if operator == "TreeEnsemble" else _check_forest
        return check(attributes)
    return None


def _check_sparse(sparse: Any) -> None:
    found = _message(sparse)
    for tensor in (*found.get(1, ()), *found.get(2, ())):
        _check_tensor(tensor)


def _check_tensor(tensor: Any) -> None:
    found = _message(tensor)
    if 13 in found or any(found.get(14, ())):
        raise ValueError(f"its tensor {ascii(_text(found, 8))[:80]} stands in another file")


def _check_forest(attributes: dict[str, _Message]) -> int:
    def integers(name: str) -> _Numbers:
        return _integers(attributes.get(name, {}).get(8, []))

    trees, nodes = integers("nodes_treeids"), integers("nodes_nodeids")
    names = "nodes_truenodeids", "nodes_falsenodeids"
    children = [integers(name) for name in names]
    modes = attributes.get("nodes_modes", {}).get(9, [])
    if not len(trees) == len(nodes) == len(children[0]) == len(children[1]) == len(modes):
        raise ValueError("a forest's lists are not of one length")
    for name in ("nodes_values", "target_weights", "class_weights", "base_values"):
        if np.isnan(_floats(attributes.get(name, {}).get(7, []))).any():
            raise ValueError(f"{name} holds NaN")  # infinite thresholds are scikit-learn's own
    features = integers("nodes_featureids")
    if (features < 0).any():
        raise ValueError("a tree splits by a feature below 0")
    inner = np.array([bytes(mode) != _LEAF for mode in modes], bool)
    check_paths(np.stack([_places(trees, nodes, ids, inner) for ids in children], axis=1))
    return int(features.max(initial=-1))


def _check_ensemble(attributes: dict[str, _Message]) -> int:
    """A forest of ai.onnx.ml 5: inner nodes and leaves are lists of their own."""

    def integers(name: str) -> _Numbers:
        return _integers(attributes.get(name, {}).get(8, []))

    features, modes = integers("nodes_featureids"), _bytes_of(attributes.get("nodes_modes"))
    weights = _doubles_of(attributes.get("leaf_weights"))
    splits = _doubles_of(attributes.get("nodes_splits"))
    sides = [
        (integers(f"nodes_{s}nodeids"), integers(f"nodes_{s}leafs")) for s in ("true", "false")
    ]
    targets, roots = integers("leaf_targetids"), integers("tree_roots")
    lists: tuple[npt.NDArray[Any], ...] = (
        modes,
        splits,
        *(numbers for side in sides for numbers in side),
    )
    if not len(features) or any(len(found) != len(features) for found in lists):
        raise ValueError("a forest's lists are not of one length")
    if len(targets) != len(weights):
        raise ValueError("a forest's leaves are not of one length")
    if np.isnan(weights).any() or np.isnan(splits).any():
        raise ValueError("a leaf or a threshold of a forest is NaN")
    outputs = int(attributes.get("n_targets", {}).get(3, [1])[-1])
    _check_within(targets, outputs)
    _check_within(roots, len(features))
    if (features < 0).any():
        raise ValueError("a tree splits by a feature below 0")
    children = []
    for numbers, leaf in sides:
        _check_within(numbers[leaf != 0], len(weights))
        _check_within(numbers[leaf == 0], len(features))
        children.append(np.where(leaf != 0, -1, numbers))
    check_paths(np.stack(children, axis=1))
    sets = int(np.isnan(_doubles_of(attributes.get("membership_values"))).sum())
    if (modes > _MEMBER).any() or sets != int((modes == _MEMBER).sum()):
        raise ValueError("a split of a forest has a mode that is none, or no set of its own")
    return int(features.max(initial=-1))


def _check_within(numbers: _Numbers, end: int) -> None:
    if numbers.size and (numbers.min() < 0 or numbers.max() >= end):
        raise ValueError("a root, a child or a leaf of a forest does not exist")


def _bytes_of(attribute: _Message | None) -> npt.NDArray[np.uint8]:
    return np.frombuffer(_raw(attribute, _UINT8), np.uint8)


def _doubles_of(attribute: _Message | None) -> npt.NDArray[np.float64]:
    content = _raw(attribute, _DOUBLE)
    if len(content) % 8:
        raise ValueError("a list of numbers ends within one")
    return np.frombuffer(content, "<f8")


def _raw(attribute: _Message | None, kind: int) -> bytes:
    """The content of an attribute's tensor; of a forest's only this one form is taken."""
    if attribute is None:
        return b""
    tensor = _message(attribute.get(5, [b""])[-1])
    if tensor.get(2, [0])[-1] != kind or 9 not in tensor:
        raise ValueError("a list of a forest is not of float64, or not written as its bytes")
    return bytes(tensor[9][-1])


def _places(trees: _Numbers, nodes: _Numbers, ids: _Numbers, inner: npt.NDArray[Any]) -> _Numbers:
    """Where the children `ids` of inner nodes stand among all nodes; -1 for a leaf."""
    for numbers in (trees, nodes, ids[inner]):
        if numbers.size and (numbers.min() < 0 or numbers.max() > _LARGEST):
            raise ValueError("a tree or a node has a number that is none")
    keys = trees << 31 | nodes
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    if (ordered[1:] == ordered[:-1]).any():
        raise ValueError("a forest has a node twice")
    wanted = (trees << 31)[inner] | ids[inner]
    at = np.searchsorted(ordered, wanted).clip(max=len(ordered) - 1)
    if (ordered[at] != wanted).any():
        raise ValueError("a node's child does not exist")
    found = np.full(len(ids), -1, np.int64)
    found[inner] = order[at]
    return found


def _attributes(node: _Message) -> dict[str, _Message]:
    found: dict[str, _Message] = {}
    for content in node.get(5, ()):
        attribute = _message(content, lists=True)
        name = _text(attribute, 1)
        if name in found:
            raise ValueError(f"an operator has the attribute {name[:80]!a} twice")
        found[name] = attribute
    return found


def _text(message: _Message, field: int) -> str:
    found = message.get(field, [b""])[-1]
    if isinstance(found, int):
        raise ValueError("a name is a number")
    return bytes(found).decode(errors="replace")


def _integers(values: list[Any]) -> _Numbers:
    """Repeated integers, packed or not."""
    parts = [_varints(v) if isinstance(v, memoryview) else np.atleast_1d(v) for v in values]
    return np.concatenate([np.empty(0, np.int64), *(p.astype(np.int64) for p in parts)])


def _floats(values: list[Any]) -> npt.NDArray[np.float32]:
    """Repeated float32, packed or not."""
    if any(len(v) % 4 for v in values):
        raise ValueError("a list of numbers ends within one")
    return np.frombuffer(b"".join(values), "<f4")


def _varints(packed: memoryview) -> _Numbers:
    content = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(content < 128)
    if content.size and (not ends.size or ends[-1] != content.size - 1):
        raise ValueError("a list of numbers ends within one")
    starts = np.concatenate(([0], ends[:-1] + 1)) if ends.size else ends
    lengths = ends - starts + 1
    found = np.zeros(len(ends), np.uint64)
    if len(ends) and lengths.max() > 10:
        raise ValueError("a number is longer than 10 bytes")
    for k in range(int(lengths.max()) if len(ends) else 0):
        longer = lengths > k
        part = (content[starts[longer] + k] & 127).astype(np.uint64)
        found[longer] |= part << np.uint64(7 * k)
    return found.view(np.int64)


def _message(content: Any, *, lists: bool = False) -> _Message:
    """The values of a message by field: integers, or the bytes of what is longer.

    With `lists`, for an attribute: what follows one another in its lists of numbers is one value,
    an array or packed, for a forest has a million of them.
    """
    found: _Message = {}
    view, at = memoryview(content), 0
    while at < len(view):
        key, value, at = _field(view, at)
        values = found.setdefault(key >> 3, [])
        values.append(value)
        if lists and key in _MORE:
            at = _MORE[key](view, at, values)
    return found


def _field(content: memoryview, at: int) -> tuple[int, int | memoryview, int]:
    """A field's key and value, and where the next begins."""
    key, at = _varint(content, at)
    kind = key & 7
    if kind == 0:
        value, at = _varint(content, at)
        return key, value - (1 << 64 if value >> 63 else 0), at
    if kind == 2:
        size, at = _varint(content, at)
    elif kind in (1, 5):
        size = 8 if kind == 1 else 4
    else:
        raise ValueError("it is no protocol buffer")
    if at + size > len(content):
        raise ValueError(f"{size} bytes are said to follow, and {len(content) - at} do")
    return key, content[at : at + size], at + size


def _more_integers(content: memoryview, at: int, values: list[Any]) -> int:
    size = _WINDOW
    while content[at : at + 1] == _INTEGER:
        part = np.frombuffer(content[at : at + size], np.uint8)
        ends = np.flatnonzero(part < 128)  # of keys and numbers, in turns
        ends = ends[: len(ends) // 2 * 2]
        starts = np.concatenate(([0], ends[1:-1:2] + 1))[: len(ends) // 2]
        n = _ones((part[starts] == _INTEGER[0]) & (starts == ends[::2]))
        if not n:
            break
        end = int(ends[2 * n - 1]) + 1
        values.append(_varints(content[at : at + end])[1::2])
        at, size = at + end, size * 4
    return at


def _more_floats(content: memoryview, at: int, values: list[Any]) -> int:
    size = _WINDOW
    while content[at : at + 1] == _FLOAT:
        count = min(size, (len(content) - at) // _FLOATS.itemsize)
        part = np.frombuffer(content, _FLOATS, count, at)
        n = _ones(part["key"] == _FLOAT[0])
        if not n:
            break
        values.append(memoryview(part["value"][:n].tobytes()))
        at, size = at + n * _FLOATS.itemsize, size * 4
    return at


def _more_texts(content: memoryview, at: int, values: list[Any]) -> int:
    last = len(content) - 2
    while at <= last and content[at] == _TEXT[0] and content[at + 1] < 128:
        end = at + 2 + content[at + 1]
        if end > len(content):
            break
        values.append(content[at + 2 : end])
        at = end
    return at


def _ones(found: npt.NDArray[np.bool_]) -> int:
    """How many are true before the first that is not."""
    return len(found) if found.all() else int(found.argmin())


# The keys of an attribute's floats, integers and texts, where they are not packed.
_FLOAT, _INTEGER, _TEXT = b"\x3d", b"\x40", b"\x4a"
_FLOATS = np.dtype([("key", "u1"), ("value", "<f4")])
_WINDOW = 64  # bytes or numbers that are looked at first: many lists are short
_MORE = {_FLOAT[0]: _more_floats, _INTEGER[0]: _more_integers, _TEXT[0]: _more_texts}


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    found = 0
    for k in range(10):
        if at + k >= len(content):
            break
        found |= (content[at + k] & 127) << 7 * k
        if content[at + k] < 128:
            return found & 0xFFFFFFFFFFFFFFFF, at + k + 1
    raise ValueError("it is no protocol buffer")


def _written(message: _Message) -> bytes:
    """A message of integers and of what is longer, as bytes."""
    out = bytearray()
    for field, values in sorted(message.items()):
        for value in values:
            if isinstance(value, int):
                out += _number(field << 3) + _number(value & 0xFFFFFFFFFFFFFFFF)
            else:
                out += _number(field << 3 | 2) + _number(len(value)) + value
    return bytes(out)


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))
