"""The files beside a version's bundle, by which MLflow's own client uses the version."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from mlops_cli.bundle.manifest import FOLDER, REQUIREMENTS, Input, Manifest
from mlops_cli.bundle.reader import Bundle
from mlops_cli.bundle.requirements import PACKAGE, format_requirements
from mlops_cli.expressions.tree import ValueType
from mlops_cli.serving.predictions import prediction_names

# Versions that are registered name it: it stays where it is.
LOADER = "mlops_cli.scoring.pyfunc"
_MLMODEL = "MLmodel"
_PYTHON = "python_env.yaml"
_TYPES: dict[ValueType, DataType] = {
    "boolean": DataType.boolean,
    "integer": DataType.long,
    "float": DataType.double,
    "text": DataType.string,
    "date": DataType.datetime,
    "timestamp": DataType.datetime,
}


def write_model_folder(folder: Path, bundle: Bundle, *, run_id: str, name: str) -> None:
    """Write MLmodel and what it names to `folder`, of a version at `name` of the run's artifacts.

    The bundle itself is to stand in `folder`'s subfolder `bundle`. Written by hand: what MLflow
    itself would do loads the model and resolves requirements, for seconds.
    """
    manifest = bundle.manifest
    # MLflow would hold a data frame to the exact types of the signature, and refuse an int64 for a
    # double, text for a moment, a moment with a time zone. With this key it leaves that to the
    # model, and ours takes all of them, and names row and column of what it refuses.
    signature = signature_of(manifest)
    signature._is_signature_from_type_hint = True
    model = Model(
        artifact_path=name,
        run_id=run_id,
        signature=signature,
        metadata={"digest": bundle.digest, "version": bundle.version},
    )
    model.add_flavor(
        "python_function",
        loader_module=LOADER,
        python_version=manifest.python,
        data=FOLDER,
        env={"virtualenv": _PYTHON},
    )
    model.save(str(folder / _MLMODEL))
    (folder / _PYTHON).write_text(
        f"python: '{manifest.python}'\nbuild_dependencies: [pip]\n"
        f"dependencies: ['-r {REQUIREMENTS}']\n",
        encoding="utf-8",
    )
    (folder / REQUIREMENTS).write_text(_requirements(bundle), encoding="utf-8")


def signature_of(manifest: Manifest) -> ModelSignature:
    """What goes in and what comes out, as MLflow names types."""
    return ModelSignature(
        Schema([ColSpec(_type(i), i.name, required=not i.nullable) for i in manifest.inputs]),
        Schema([ColSpec(_output(manifest, n), n) for n in prediction_names(manifest)]),
    )


def _type(i: Input) -> DataType:
    # A data frame has no integer that is missing: such a column is of floats.
    return DataType.double if i.type == "integer" and i.nullable else _TYPES[i.type]


def _output(manifest: Manifest, name: str) -> DataType:
    if name != "label" or not manifest.classes:
        return DataType.double
    kinds = {bool: DataType.boolean, int: DataType.long, str: DataType.string}
    return kinds[type(manifest.classes[0])]


def _requirements(bundle: Bundle) -> str:
    ours = PACKAGE.format(version("mlops-cli"))
    return f"{ours}\nmlflow=={version('mlflow')}\n{format_requirements(bundle.requirements())}"
