"""What is done to a sound bundle, so that it is refused: all of it harmless."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli._files import sha256_of

Spoil = Callable[[Path], None]


def named(folder: Path, name: str, content: bytes, **manifest: Any) -> None:
    """Write a file, and let the manifest name it with its right digest."""
    (folder / name).write_bytes(content)
    found = msgspec.json.decode((folder / "manifest.json").read_bytes())
    found["files"][name] = {"sha256": sha256_of(folder / name)}
    (folder / "manifest.json").write_bytes(msgspec.json.encode(found | manifest))


def manifest(change: Callable[[dict[str, Any]], object]) -> Spoil:
    def spoil(folder: Path) -> None:
        found = msgspec.json.decode((folder / "manifest.json").read_bytes())
        change(found)
        (folder / "manifest.json").write_bytes(msgspec.json.encode(found))

    return spoil


def file_named(name: str, digest: str = "0" * 64) -> Spoil:
    return manifest(lambda m: m["files"].update({name: {"sha256": digest}}))


def written(name: str, content: bytes) -> Spoil:
    return lambda folder: named(folder, name, content)


def raw(name: str, content: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(content) and None


# --- trees of XGBoost ---------------------------------------------------------------------------


def put(key: str, value: float) -> Spoil:
    """The first number of a tree's list that holds any becomes another one."""

    def spoil(folder: Path) -> None:
        content = bytearray((folder / "model.ubj").read_bytes())
        name = key.encode() + b"[$"
        at = content.index(name) + len(name)
        while struct.unpack_from(">q", content, at + 3)[0] == 0:
            at = content.index(name, at) + len(name)
        form = {b"l": ">i", b"L": ">q", b"d": ">f"}[bytes(content[at : at + 1])]
        struct.pack_into(form, content, at + 11, value)
        named(folder, "model.ubj", bytes(content))

    return spoil


def put_short(key: str, value: int) -> Spoil:
    """The same where the list is one of short numbers that each say their type."""

    def spoil(folder: Path) -> None:
        content = bytearray((folder / "model.ubj").read_bytes())
        at = content.index(key.encode() + b"[#L") + len(key) + 11
        assert content[at : at + 2] == b"i\x00"
        content[at + 1] = value
        named(folder, "model.ubj", bytes(content))

    return spoil


def fewer_nodes(folder: Path) -> None:
    content = (folder / "model.ubj").read_bytes()
    at = content.index(b"num_nodesSL") + len(b"num_nodesSL") + 8
    named(folder, "model.ubj", content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


# --- graphs of ONNX -----------------------------------------------------------------------------


def onnx(change: Callable[[Any], object]) -> Spoil:
    def spoil(folder: Path) -> None:
        import onnx as library

        model = library.load_model_from_string((folder / "model.onnx").read_bytes())
        change(model)
        named(folder, "model.onnx", model.SerializeToString())

    return spoil


def external(location: str) -> Callable[[Any], object]:
    def change(model: Any) -> None:
        from onnx import TensorProto

        tensor = model.graph.initializer.add()
        tensor.name, tensor.data_type = "stolen", TensorProto.FLOAT
        tensor.dims.append(4)
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location

    return change


def in_an_attribute(model: Any) -> None:
    from onnx import TensorProto, helper

    tensor = TensorProto(name="stolen", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def domain(name: str) -> Callable[[Any], object]:
    def change(model: Any) -> None:
        model.graph.node[0].domain = name
        model.opset_import.add(domain=name, version=1)

    return change


def function(model: Any) -> None:
    found = model.functions.add()
    found.name, found.domain = "Hidden", "mine"


def lying_dims(model: Any) -> None:
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type, tensor.raw_data = "large", 1, b"\0" * 16
    tensor.dims.extend([1 << 40, 1 << 20])
    model.graph.node[0].input.append("large")


def forest(**lists: Any) -> Callable[[Any], object]:
    """A forest of one split in place of the model; `lists` are said otherwise."""

    def change(model: Any) -> None:
        from onnx import helper

        right: dict[str, Any] = {
            "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0],
            "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_values": [0.5, 0.0, 0.0],
            "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0],
            "target_treeids": [0, 0], "target_nodeids": [1, 2], "target_ids": [0, 0],
            "target_weights": [0.0, 1.0], "n_targets": 1,
        }  # fmt: skip
        name = model.graph.input[0].name
        node = helper.make_node(
            "TreeEnsembleRegressor", [name], ["y"], domain="ai.onnx.ml", **(right | lists)
        )
        del model.graph.node[:]
        del model.graph.initializer[:]
        del model.graph.output[:]
        model.graph.node.append(node)
        model.graph.output.append(helper.make_tensor_value_info("y", 1, [None, 1]))

    return change


def attribute_twice(model: Any) -> None:
    """A forest that is sound by the first of two lists, or by the last."""
    from onnx import helper

    forest()(model)
    nodes = [10**6, 0, 0]
    model.graph.node[0].attribute.insert(0, helper.make_attribute("nodes_featureids", nodes))


def behind(model: Any) -> None:
    """A forest that is given what another operator made of the row."""
    from onnx import helper

    forest(nodes_featureids=[10**6, 0, 0])(model)
    name = model.graph.input[0].name
    model.graph.node[0].input[0] = "made"
    model.graph.node.insert(0, helper.make_node("Neg", [name], ["made"]))


class Evil:
    """Would run when it is unpickled; nobody does."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("unpickled",))


def link(name: str, to: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(to)

    return spoil


def swap(folder: Path) -> None:
    one, other = folder / "profile.json", folder / "features.json"
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def cut(folder: Path) -> None:
    with (folder / "model.ubj").open("r+b") as model:
        model.truncate(1000)


def cut_and_named(folder: Path) -> None:
    named(folder, "model.ubj", (folder / "model.ubj").read_bytes()[:-1000])


def folder_for_a_file(folder: Path) -> None:
    (folder / "model.ubj").unlink()
    (folder / "model.ubj").mkdir()


def sparse(folder: Path) -> None:
    with (folder / "manifest.json").open("r+b") as file:
        file.truncate(1 << 40)


def pipe(folder: Path) -> None:
    (folder / "model.ubj").unlink()
    os.mkfifo(folder / "model.ubj")


def long_text(folder: Path) -> None:
    """A text that says to have 2^60 characters."""
    named(folder, "model.ubj", b"{L" + struct.pack(">q", 1 << 60) + b"learner{}}")


def long_array(folder: Path) -> None:
    named(
        folder, "model.ubj", b"{L" + struct.pack(">q", 1) + b"a[$d#L" + struct.pack(">q", 1 << 60)
    )
