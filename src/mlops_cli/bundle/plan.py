"""What featurize made, for the stages after it: the content of `data/features.json`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from mlops_cli.bundle.manifest import ClassLabel, Feature, Input, Target
from mlops_cli.bundle.online import OnlinePlan
from mlops_cli.expressions.tree import FeatureTree, columns_of

TIME = "__time__"
TARGET = "__target__"
ID = "__id__"  # what the names of the columns of `data.id` and `split.key` begin with
WEIGHT = "__weight__"  # of `train.weights`
SENSITIVE = "__sensitive__"  # and those of `data.sensitive` that are no inputs


class InputRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A condition of a contract on one row: the inputs that it reads, as `columns`.

    `expr` is its SQL where nothing else is read; a row passes where it is null.
    """

    columns: tuple[str, ...]
    expr: str | None = None


class FeaturePlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """The columns of `data/features.parquet` and what they mean.

    `inputs` are the raw columns that a request brings, `features` the model's columns in order
    (categories are frozen later, when a model is fitted), `trees` how each feature is computed.
    `classes` are sorted, null for a regression. The counts are of rows. `rules` are those of the
    contracts that read inputs, `online` tells of the inputs that a server looks up.
    """

    inputs: tuple[Input, ...]
    features: tuple[Feature, ...]
    trees: tuple[FeatureTree, ...]
    target: Target
    classes: tuple[ClassLabel, ...] | None
    rows: int
    without_target: int
    quarantined: int
    rules: tuple[InputRule, ...] = ()
    online: OnlinePlan | None = None

    def kept_as(self, name: str) -> str:
        """The column of the table of features that holds a column of `data.sensitive`."""
        return name if any(i.name == name for i in self.inputs) else SENSITIVE + name

    def only(self, names: Collection[str]) -> FeaturePlan:
        """The plan of these features alone: the inputs are those that they need."""
        trees = tuple(t for t in self.trees if t.name in names)
        read = {column for t in trees for column in columns_of(t.tree)}
        online = _only_online(self.online, read)
        keys = () if online is None else (*online.keys, online.time)
        inputs = [
            i if i.name in read else msgspec.structs.replace(i, nullable=True)
            for i in self.inputs
            if i.name in read or i.name in keys
        ]
        kept = {i.name for i in inputs}
        return msgspec.structs.replace(
            self,
            inputs=tuple(inputs),
            features=tuple(f for f in self.features if f.name in names),
            trees=trees,
            rules=tuple(r for rule in self.rules if (r := _only_rule(rule, kept)) is not None),
            online=online,
        )


def _only_rule(rule: InputRule, kept: Collection[str]) -> InputRule | None:
    columns = tuple(name for name in rule.columns if name in kept)
    if len(columns) == len(rule.columns):
        return rule
    return InputRule(columns) if columns else None


def _only_online(online: OnlinePlan | None, read: Collection[str]) -> OnlinePlan | None:
    """What is looked up of the columns that are `read`; None where nothing is."""
    features = tuple(f for f in online.features if f.name in read) if online else ()
    if online is None or not features:
        return None
    found = msgspec.structs.replace(online, features=features)
    required = tuple(name for name in online.required if name in found.keys)
    return msgspec.structs.replace(found, required=required)


def lookups(inputs: Iterable[Input], trees: Iterable[FeatureTree]) -> list[str]:
    """The inputs that no feature reads: by them others are looked up."""
    read = {name for tree in trees for name in columns_of(tree.tree)}
    return [i.name for i in inputs if i.name not in read]
