"""What featurize made, for the stages after it: the content of `data/features.json`."""

from __future__ import annotations

import msgspec

from mlops_cli.bundle.manifest import ClassLabel, Feature, Input, Target
from mlops_cli.expressions.tree import FeatureTree

TIME = "__time__"
TARGET = "__target__"
ID = "__id__"  # what the names of the columns of `data.id` begin with


class FeaturePlan(msgspec.Struct, frozen=True):
    """The columns of `data/features.parquet` and what they mean.

    `inputs` are the raw columns that a request brings, `features` the model's columns in order
    (categories are frozen later, when a model is fitted), `trees` how each feature is computed.
    `classes` are sorted, null for a regression. The counts are of rows.
    """

    inputs: tuple[Input, ...]
    features: tuple[Feature, ...]
    trees: tuple[FeatureTree, ...]
    target: Target
    classes: tuple[ClassLabel, ...] | None
    rows: int
    without_target: int
    quarantined: int
