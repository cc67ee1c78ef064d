"""What the parts of a bundle must agree on, beyond each being of its form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from mlops_cli.bundle.manifest import (
    CALIBRATION,
    MODULES,
    THRESHOLD,
    ClassLabel,
    Manifest,
    Task,
    class_key,
)
from mlops_cli.bundle.online import OnlinePlan
from mlops_cli.expressions.compile import compile_tree
from mlops_cli.expressions.tree import FeatureTrees, Node, columns_of
from mlops_cli.expressions.values import check_form

DEEPEST = 200  # of a tree: an expression has at most 60 levels, a cast between two of them


class BinaryPrediction(msgspec.Struct, frozen=True):
    """What a binary model answers."""

    probability: float
    label: ClassLabel


class MulticlassPrediction(msgspec.Struct, frozen=True):
    """What a model of several classes answers."""

    label: ClassLabel
    probabilities: dict[str, float]


class RegressionPrediction(msgspec.Struct, frozen=True):
    """What a regression answers."""

    value: float


class IntervalPrediction(msgspec.Struct, frozen=True):
    """What a regression with an interval answers."""

    value: float
    low: float
    high: float


_PREDICTIONS: dict[Task, type[msgspec.Struct]] = {
    "binary": BinaryPrediction,
    "multiclass": MulticlassPrediction,
    "regression": RegressionPrediction,
}
for _kind in (*_PREDICTIONS.values(), IntervalPrediction):
    msgspec.json.Decoder(_kind)  # makes `convert` ready: see `reader`


def check_manifest(manifest: Manifest) -> None:
    """Raise `ValueError` with the first part of a manifest that does not fit the others."""
    for fault in _manifest_faults(manifest):
        raise ValueError(fault)


def _manifest_faults(manifest: Manifest) -> Iterator[str]:
    needed = MODULES[manifest.model]
    if set(manifest.modules) != set(needed):
        named = ", ".join(sorted(manifest.modules)) or "none"
        yield f"modules names {named}, and a model of {manifest.model} needs {', '.join(needed)}"
    yield from _class_faults(manifest)
    yield from _decided_faults(manifest)
    for what, parts in (("inputs", manifest.inputs), ("features", manifest.features)):
        if twice := _first_twice(part.name for part in parts):
            yield f"{what} names {ascii(twice)[:80]} twice"
    for i in manifest.inputs:
        if i.categories is not None and i.type != "text":
            yield f"the input {ascii(i.name)[:80]} is {i.type} and has categories"
        try:
            check_form(i.type, i.format)
        except ValueError as e:
            yield f"the input {ascii(i.name)[:80]}: {str(e)[:200]}"
    for feature in manifest.features:
        if (feature.categories is not None) != (feature.kind == "category"):
            yield f"the feature {ascii(feature.name)[:80]} is {feature.kind}: see its categories"
        elif _first_twice(feature.categories or ()) is not None:
            yield f"the feature {ascii(feature.name)[:80]} has a category twice"


def _decided_faults(manifest: Manifest) -> Iterator[str]:
    if manifest.decided != (manifest.format.partition(".")[0] == "2"):
        yield f"its format is {manifest.format[:20]}: 2 is of bundles with a threshold, a " + (
            "calibrator, an interval or features that are looked up"
        )
    if manifest.threshold != THRESHOLD and manifest.task != "binary":
        yield f"the task is {manifest.task}, and it has a threshold"
    if manifest.interval is not None and manifest.task != "regression":
        yield f"the task is {manifest.task}, and it has an interval"
    if manifest.interval is not None and CALIBRATION not in manifest.files:
        yield f"it has an interval, and does not name {CALIBRATION}"


def _class_faults(manifest: Manifest) -> Iterator[str]:
    classes, task = manifest.classes, manifest.task
    if classes is None or task == "regression":
        if (classes is None) != (task == "regression"):
            yield f"the task is {task}, and classes is {'null' if classes is None else 'a list'}"
        return
    if len({type(label) for label in classes}) > 1:
        yield "classes are of more than one type"
    if _first_twice(map(class_key, classes)) is not None:
        yield "classes names one twice"
    if (len(classes) != 2) if task == "binary" else (len(classes) < 2):
        yield f"the task is {task}, and there are {len(classes)} classes"


def check_trees(manifest: Manifest, trees: FeatureTrees) -> None:
    """Hold trees to the manifest's features and inputs, and each to the closed set of operations.

    Raises `ValueError`, or `BundleError` for an operation that this release does not know.
    """
    wanted = [feature.name for feature in manifest.features]
    if [tree.name for tree in trees.features] != wanted:
        raise ValueError("the trees are not those of the manifest's features, in their order")
    types = {i.name: i.type for i in manifest.inputs}
    for feature, tree in zip(manifest.features, trees.features, strict=True):
        for node in _nodes(tree.tree):
            if node.op == "column" and types.get(str(node.value)) != node.type:
                raise ValueError(
                    f"the feature {ascii(tree.name)[:80]} reads {ascii(node.value)[:80]} as "
                    f"{node.type}: the manifest has no such input"
                )
        if (tree.tree.type == "text") != (feature.kind == "category"):
            raise ValueError(
                f"the feature {ascii(tree.name)[:80]} is of another kind than its tree"
            )
        compile_tree(tree.tree)


def check_online(manifest: Manifest, plan: OnlinePlan) -> None:
    """Hold the features that are looked up to the manifest's inputs; raises `ValueError`."""
    inputs = {i.name: i for i in manifest.inputs}
    online = [i.name for i in manifest.inputs if i.source == "online"]
    if sorted(f.name for f in plan.features) != sorted(online):
        raise ValueError("its features are not the inputs that the manifest has looked up")
    if lost := [name for name in plan.keys if name not in inputs]:
        raise ValueError(f"the key {ascii(lost[0])[:80]} is no input")
    if plan.time is not None and getattr(inputs.get(plan.time), "type", None) != "timestamp":
        raise ValueError(f"the time {ascii(plan.time)[:80]} is no input of moments")
    for feature in plan.features:
        for _ in _nodes(feature.tree):
            pass
        if {*columns_of(feature.tree)} != {*feature.figures}:
            raise ValueError(f"{ascii(feature.name)[:80]}: its tree reads other figures")
        if any(len(f.parts) != (2 if f.function == "avg" else 1) for f in feature.figures.values()):
            raise ValueError(f"{ascii(feature.name)[:80]}: a figure lacks a part")
        if feature.type != inputs[feature.name].type:
            raise ValueError(f"{ascii(feature.name)[:80]} is of another type than its input")
        compile_tree(feature.tree)


def check_golden(manifest: Manifest, features: int, prediction: dict[str, Any]) -> None:
    """Hold a golden row to the manifest: its number of features, and its prediction's fields.

    Raises `ValueError`.
    """
    if features != len(manifest.features):
        raise ValueError(f"it has {features} features of {len(manifest.features)}")
    kind = _PREDICTIONS[manifest.task] if manifest.interval is None else IntervalPrediction
    found = msgspec.convert(prediction, kind)
    if isinstance(found, IntervalPrediction) and not found.low <= found.value <= found.high:
        raise ValueError("its value does not lie between low and high")
    classes = manifest.classes or ()
    label = getattr(found, "label", None)
    if classes and not any(label == c and type(label) is type(c) for c in classes):
        raise ValueError(f"its label {ascii(label)[:80]} is not one of the classes")
    if isinstance(found, MulticlassPrediction) and found.probabilities.keys() != {
        class_key(label) for label in classes
    }:
        raise ValueError("its probabilities are not those of the classes")


def _nodes(tree: Node) -> Iterator[Node]:
    """Every node of a tree; raises `ValueError` for one that is nested too deeply."""
    level = [tree]
    for _ in range(DEEPEST):
        yield from level
        level = [arg for node in level for arg in node.args]
        if not level:
            return
    raise ValueError(f"a feature's tree is nested deeper than {DEEPEST}")


def _first_twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
