"""The files of a bundle, and their proof: the bundle predicts what training does."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow as pa

from mlops_cli._files import replacing_folder
from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import (
    FEATURES,
    GOLDEN,
    MODEL_FILES,
    ONLINE,
    PROFILE,
    PYTHON,
    REQUIREMENTS,
    Input,
)
from mlops_cli.bundle.plan import FeaturePlan, lookups
from mlops_cli.bundle.profile import Profile
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.bundle.writer import Model, write_bundle
from mlops_cli.bundling.work import Work
from mlops_cli.config.project import Project
from mlops_cli.errors import BundleError
from mlops_cli.expressions.python_sources import functions_of, source_of
from mlops_cli.expressions.tree import FeatureTree, FeatureTrees
from mlops_cli.features.python import refuse_imports
from mlops_cli.features.rules import broken_by
from mlops_cli.features.sql import render_feature
from mlops_cli.monitoring.drift.profile import weighted
from mlops_cli.packaging.requirements import serving_requirements
from mlops_cli.serving.golden import replay
from mlops_cli.serving.predictions import render
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import Engine, in_groups, literal, quote
from mlops_cli.tables.matrix import encode
from mlops_cli.training import golden
from mlops_cli.training.answering import Answering

CANDIDATE = "candidate"  # under .mlops/: the bundle until it has proved itself
_GROUP = 200  # features of one query
T = TypeVar("T")


def bundle_files(
    project: Project, work: Work, fitted: Answering, profile: Profile
) -> tuple[Model, dict[str, bytes]]:
    """The manifest's part, and the content of the bundle's files by name."""
    plan, features = work.events.plan, work.problem.features
    frozen = {f.name: f.categories for f in features}
    inputs = tuple(_with_categories(i, frozen) for i in plan.inputs)
    kind = work.estimator.kind
    model = Model(
        project=project.config.project,
        task=project.config.task,
        target=plan.target,
        classes=plan.classes,
        kind=kind,
        inputs=inputs,
        features=features,
        modules=work.estimator.modules(),
        id=project.config.data.id.columns,
        sensitive=project.config.data.sensitive,
        threshold=fitted.decided.threshold,
        interval=fitted.decided.level,
    )
    rows = work.events.rows(work.events.split.fitted)
    requirements, importance = serving_requirements(kind), fitted.importance()
    files = {
        MODEL_FILES[kind]: fitted.content(),
        **fitted.decided.files(),
        **({ONLINE: canonical_json(plan.online)} if plan.online is not None else {}),
        FEATURES: canonical_json(FeatureTrees(features=plan.trees)),
        PROFILE: weighted(profile, features, importance=importance, trees=plan.trees),
        REQUIREMENTS: requirements.encode(),
        GOLDEN: _golden(project, model, rows, plan, fitted),
        **(_python_files(plan.trees) if project.config.features.python_in_server else {}),
    }
    return model, files


def _python_files(trees: Sequence[FeatureTree]) -> dict[str, bytes]:
    """The sources of Python features, by names that tell their digest.

    Raises `UsageError` for one that imports what an image lacks.
    """
    found: dict[str, bytes] = {}
    for function in functions_of(tree.tree for tree in trees):
        source = source_of(function)
        refuse_imports(function.path, source)
        stem = re.sub(r"[^A-Za-z0-9_]", "-", Path(function.path).stem)[:60]
        found[f"{PYTHON}{stem}-{function.sha256[:8]}.py"] = source
    return found


def _with_categories(i: Input, frozen: Mapping[str, tuple[str, ...] | None]) -> Input:
    return msgspec.structs.replace(i, categories=frozen.get(i.name)) if i.type == "text" else i


def _golden(
    project: Project, model: Model, rows: pa.Table, plan: FeaturePlan, fitted: Answering
) -> bytes:
    """Golden rows, their features by the data engine, their predictions by training's library."""
    with (
        replacing_folder(project.cache / "golden") as folder,
        open_engine(temporary=folder) as engine,
    ):
        broken = broken_by(engine, plan.rules, folder)
        ties = golden.Ties(plan.trees, plan.rules, broken, model.sensitive)
        rows = _without_lookups(rows, model.inputs, plan.trees)
        raw = golden.golden_inputs(rows, model.inputs, model.features, ties)
        file = folder / "inputs.parquet"
        golden.write(raw, file)
        made = _features(engine, file, plan.trees)
    matrix = encode(made, model.features)
    said = render(model, fitted.answers(matrix))
    return golden.golden_lines(raw, matrix, said)


def _without_lookups(
    rows: pa.Table, inputs: Sequence[Input], trees: Sequence[FeatureTree]
) -> pa.Table:
    """Rows without what names them: features that are looked up stand there themselves."""
    for name in lookups(inputs, trees):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, name, pa.nulls(len(rows), rows.schema.field(at).type))
    return rows


def _features(engine: Engine, file: Path, trees: Sequence[FeatureTree]) -> pa.Table:
    """The features of the rows in a Parquet file of inputs, by the engine."""
    columns: dict[str, pa.ChunkedArray] = {}
    for group in in_groups(trees, _GROUP):
        cells = ", ".join(f"{render_feature(t.tree)} as {quote(t.name)}" for t in group)
        source = f"read_parquet({literal(str(file))}, file_row_number = true)"
        made = engine.arrow(f"select {cells} from {source} order by file_row_number")
        columns |= zip(made.column_names, made.columns, strict=True)
    return pa.table(columns)


def prove(
    project: Project, model: Model, files: Mapping[str, bytes], look: Callable[[Bundle], T]
) -> tuple[int, T]:
    """How many golden rows the bundle reproduces when it is written and opened again.

    With it comes what `look` finds in the opened bundle. Raises `BundleError` where it does not.
    """
    folder = project.cache / CANDIDATE
    try:
        write_bundle(folder, model, files, {})
        bundle = open_bundle(folder)
        return replay(bundle, open_predictor(bundle)), look(bundle)
    except BundleError as e:
        raise BundleError(f"no bundle is written: {e.message}", hint=e.hint) from e
    finally:
        shutil.rmtree(folder, ignore_errors=True)
