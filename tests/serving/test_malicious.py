"""Bundles that are damaged, or made to harm who serves them: each is refused with its reason.

Each is whole in itself where that is what it takes to get further: digests that agree, a manifest
that parses. All are harmless here, and only our own reader is asked.
"""

from __future__ import annotations

import pickle
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import BundleError
from mlops_cli.serving.models import load_model
from mlops_cli.serving.onnx_graph import check_onnx
from mlops_cli.serving.xgboost_trees import check_xgboost
from spoiled import (
    Evil,
    Spoil,
    attribute_twice,
    behind,
    cut,
    cut_and_named,
    domain,
    external,
    fewer_nodes,
    file_named,
    folder_for_a_file,
    forest,
    function,
    in_an_attribute,
    link,
    long_array,
    long_text,
    lying_dims,
    manifest,
    onnx,
    pipe,
    put,
    put_short,
    raw,
    sparse,
    swap,
    written,
)

PICKLE = pickle.dumps(Evil())
XGBOOST: list[tuple[str, Spoil, str]] = [
    (
        "a changed byte",
        lambda f: raw("model.ubj", b"x" + (f / "model.ubj").read_bytes()[1:])(f),
        r"model\.ubj is not the file",
    ),
    ("a file cut short", cut, r"model\.ubj is not the file"),
    ("two files swapped", swap, r"(features|profile)\.json is not the file"),
    (
        "a file that is missing",
        lambda f: (f / "golden.jsonl").unlink(),
        r"golden\.jsonl is missing",
    ),
    (
        "a file that nobody named",
        raw("extra.py", b"x"),
        r"extra\.py does not stand in manifest\.json",
    ),
    ("a path that leaves the bundle", file_named("../model.ubj"), "manifest"),
    ("an absolute path", file_named("/etc/passwd"), "manifest"),
    ("a path within the bundle", file_named("a/b"), "manifest"),
    ("a name that ends a line", file_named("a\nb"), "manifest"),
    (
        "a folder for a file",
        folder_for_a_file,
        r"model\.ubj is missing",
    ),
    ("a link to another file", link("model.ubj", "/etc/hostname"), r"model\.ubj is not the file"),
    ("a link to a device", link("model.ubj", "/dev/zero"), r"model\.ubj is missing"),
    ("a link to itself", link("model.ubj", "model.ubj"), r"model\.ubj is missing"),
    ("a pipe, which nobody fills", pipe, r"model\.ubj is missing"),
    ("a link that nobody named", link("more", "/etc"), "more does not stand in"),
    ("a manifest of a terabyte", sparse, "has more than"),
    ("a manifest that is nested without end", raw("manifest.json", b"[" * 10**6), "manifest"),
    ("a manifest of the next major", manifest(lambda m: m.update(format="3.0")), "has format 3.0"),
    (
        "a manifest of an earlier major",
        manifest(lambda m: m.update(format="0.9")),
        "has format 0.9",
    ),
    ("a digest that is none", file_named("model.ubj", "0" * 63), "manifest"),
    ("a module of somebody's", manifest(lambda m: m["modules"].update(evil="1")), "manifest"),
    (
        "requirements that install another package",
        written("requirements.txt", b"evil @ file:///tmp/evil\n"),
        r"requirements\.txt",
    ),
    ("a pickle as the model", written("model.ubj", PICKLE), r"model\.ubj cannot be used"),
    ("a pickle as the profile", written("profile.json", PICKLE), r"profile\.json"),
    ("a pickle as the features", written("features.json", PICKLE), r"features\.json"),
    ("a pickle as the golden rows", written("golden.jsonl", PICKLE), r"golden\.jsonl"),
    ("a pickle as the manifest", raw("manifest.json", PICKLE), "is not a manifest"),
    ("a pickle beside the model", written("model.pkl", PICKLE), r"model\.pkl"),
    ("a model cut short, and named so", cut_and_named, "are said to follow"),
    ("a text whose length lies", long_text, "are said to follow"),
    ("an array whose length lies", long_array, "are said to follow"),
    ("a model nested without end", written("model.ubj", b"[" * 10**6), "nested deeper"),
    ("JSON for UBJSON", written("model.ubj", b'{"learner": {}}'), r"model\.ubj cannot be used"),
    ("a split by a feature that is none", put("split_indices", 10**6), "splits by feature 1000000"),
    ("a split by a feature below 0", put("split_indices", -5), "splits by feature"),
    ("a node that is its own child", put("left_children", 0), "is a cycle"),
    ("a child beyond the tree", put("right_children", 10**6), "child does not exist"),
    ("a threshold that is infinite", put("split_conditions", float("inf")), "not a finite number"),
    ("a threshold that is NaN", put("split_conditions", float("nan")), "not a finite number"),
    ("lists of two lengths", fewer_nodes, "not of one length"),
    ("categories beyond the tree's", put("categories_sizes", 10**6), "categories beyond"),
    ("a tree of an output that is none", put_short("tree_info", 100), "an output that is none"),
    ("rounds that begin late", put_short("iteration_indptr", 1), "rounds do not go from tree 0"),
]
ONNX: list[tuple[str, Spoil, str]] = [
    ("data in another file", onnx(external("profile.json")), "stands in another file"),
    ("data outside the bundle", onnx(external("../../../etc/passwd")), "stands in another file"),
    ("data of an attribute in another file", onnx(in_an_attribute), "stands in another file"),
    ("an operator of another domain", onnx(domain("evil.example")), "operator of another domain"),
    (
        "an operator of the runtime's own",
        onnx(domain("com.microsoft")),
        "operator of another domain",
    ),
    ("an operator that the model brings", onnx(function), "operators of its own"),
    ("a tensor whose size lies", onnx(lying_dims), r"model\.onnx"),
    ("a pickle as the model", written("model.onnx", PICKLE), r"model\.onnx cannot be used"),
    (
        "a forest whose node is its own child",
        onnx(forest(nodes_truenodeids=[0, 0, 0])),
        "is a cycle",
    ),
    (
        "a forest whose child does not exist",
        onnx(forest(nodes_falsenodeids=[9, 0, 0])),
        "child does not exist",
    ),
    ("a forest with a node twice", onnx(forest(nodes_nodeids=[0, 1, 1])), "a node twice"),
    (
        "a forest that splits by a feature that is none",
        onnx(forest(nodes_featureids=[10**6, 0, 0])),
        "splits by feature 1000000",
    ),
    (
        "a forest behind others that splits by a feature that is none",
        onnx(behind),
        "splits by feature 1000000",
    ),
    (
        "a forest that splits by a feature below 0",
        onnx(forest(nodes_featureids=[-1, 0, 0])),
        "feature below 0",
    ),
    (
        "a forest with a threshold that is NaN",
        onnx(forest(nodes_values=[float("nan"), 0.0, 0.0])),
        "holds NaN",
    ),
    ("a forest with a list twice", onnx(attribute_twice), "attribute 'nodes_featureids' twice"),
    ("a forest with lists of two lengths", onnx(forest(nodes_modes=["LEAF"])), "not of one length"),
]
CASES = [("xgboost", *case) for case in XGBOOST] + [("onnx", *case) for case in ONNX]


def opened(folder: Path) -> None:
    """All that a server reads of a bundle before it answers."""
    bundle = open_bundle(folder)
    bundle.trees()
    bundle.profile()
    list(bundle.golden())
    load_model(bundle)


@pytest.mark.parametrize(
    ("kind", "spoil", "says"),
    [pytest.param(kind, spoil, says, id=f"{what} ({kind})") for kind, what, spoil, says in CASES],
)
def test_it_is_refused_with_its_reason(
    sound: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    spoil: Spoil,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(sound[kind], tmp_path / "models/model")
    spoil(folder)
    with pytest.raises(BundleError, match=says) as refused:
        opened(folder)
    assert len(refused.value.message) < 1000
    assert not (tmp_path / "unpickled").exists()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sound")
    bundles.write(root / "xgboost", n=120)
    bundles.write(root / "onnx", "regression", onnx=True, n=120)
    return {path.name: path for path in root.iterdir()}


def test_what_they_were_made_of_is_sound(sound: dict[str, Path], tmp_path: Path) -> None:
    for folder in sound.values():
        opened(folder)
    folder = shutil.copytree(sound["onnx"], tmp_path / "model")
    onnx(forest())(folder)
    load_model(open_bundle(folder))


def test_there_are_at_least_twenty_five_and_each_is_another() -> None:
    assert len({spoil for *_, spoil, _ in CASES}) == len(CASES) >= 25


@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
def test_every_booster_of_xgboost_is_read(booster: str) -> None:
    x = np.random.default_rng(0).random((300, 4))
    data = xgboost.DMatrix(x, x[:, 0] + x[:, 1])
    pruned = {"max_leaves": 9, "grow_policy": "lossguide", "gamma": 0.01}
    parameters = {"booster": booster, **(pruned if booster != "gblinear" else {})}
    check_xgboost(bytes(xgboost.train(parameters, data, 5).save_raw("ubj")))


@pytest.mark.parametrize("estimator", [RandomForestRegressor(5), GradientBoostingRegressor()])
def test_forests_of_scikit_learn_are_read(estimator: Any) -> None:
    x = np.random.default_rng(0).random((300, 4)).astype(np.float32)
    scaled = make_pipeline(StandardScaler(), estimator).fit(x, x[:, 0])
    (found,) = check_onnx(to_onnx(scaled, x[:1]).SerializeToString())
    assert (found.last, found.before is not None) == (3, True)


def test_a_list_of_a_graph_reads_alike_packed_or_not_and_in_runs_of_any_length() -> None:
    """ONNX writes each number by itself; runs of them are read at once."""
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto

    random = np.random.default_rng(0)
    for n in (1, 2, 30, 5000):
        trees = np.sort(random.integers(0, 1 + n // 3, n))
        nodes = np.arange(n) - np.searchsorted(trees, trees)
        lists = {
            "nodes_treeids": trees,
            "nodes_nodeids": nodes,
            "nodes_truenodeids": nodes * 0,
            "nodes_falsenodeids": nodes * 0,
            "nodes_featureids": random.integers(0, 300, n),
        }
        node = NodeProto(op_type="TreeEnsembleRegressor", input=["x"], output=["y"])
        for name, values in lists.items():
            node.attribute.append(AttributeProto(name=name, ints=values.tolist()))
        node.attribute.append(AttributeProto(name="nodes_modes", strings=[b"LEAF"] * n))
        node.attribute.append(AttributeProto(name="nodes_values", floats=random.random(n)))
        model = ModelProto(graph=GraphProto(node=[node]))
        model.graph.input.add(name="x")
        (found,) = check_onnx(model.SerializeToString())
        assert found.last == lists["nodes_featureids"].max()
        node.attribute[-1].floats[n - 1] = float("nan")
        spoiled = ModelProto(graph=GraphProto(node=[node]))
        with pytest.raises(ValueError, match="nodes_values holds NaN"):
            check_onnx(spoiled.SerializeToString())


def test_an_attribute_whose_value_comes_twice_is_refused() -> None:
    """Readers of protocol buffers make one of the two; ours would look at them one by one."""
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

    def model(*values: AttributeProto) -> bytes:
        content = b"".join(value.SerializeToString() for value in values)
        node = NodeProto(op_type="Constant").SerializeToString()
        node += b"\x2a" + bytes([len(content)]) + content  # field 5
        return ModelProto().SerializeToString() + _field(7, _field(1, node))

    def _field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    name = AttributeProto(name="value")
    one, other = AttributeProto(t=TensorProto(dims=[1])), AttributeProto(t=TensorProto(dims=[2]))
    graphs = AttributeProto(g=GraphProto(name="a")), AttributeProto(g=GraphProto(name="b"))
    assert check_onnx(model(name, one)) == []
    for twice in ((one, other), graphs):
        with pytest.raises(ValueError, match="an attribute has its value twice"):
            check_onnx(model(name, *twice))


def test_the_check_of_a_forest_takes_no_time_that_a_start_would_show() -> None:
    """A million of nodes are no reason to wait: a list is read at once, not number by number."""
    x = np.random.default_rng(0).random((2000, 4)).astype(np.float32)
    content = to_onnx(RandomForestRegressor(30).fit(x, x[:, 0]), x[:1]).SerializeToString()
    start = time.process_time()
    check_onnx(content)
    assert time.process_time() - start < len(content) * 1e-6  # 0.06 us a byte; 6 number by number
