"""The stage `package`: the build context of the image that serves the model."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mlops_cli._files import replacing_folder, write_text
from mlops_cli._templates import own_templates
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import DECISION, IMAGE, MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import GateError, UsageError
from mlops_cli.packaging.base import Base
from mlops_cli.packaging.context import write_context
from mlops_cli.progress import QUIET, Progress


@dataclass(frozen=True, slots=True)
class PackageResult:
    """The build context (a folder of the project) and the bundle that it serves."""

    context: str
    digest: str
    version: str


class _Decision(msgspec.Struct):
    digest: str
    passed: bool


def package(
    project: Project, *, experiment: bool = False, progress: Progress = QUIET
) -> PackageResult:
    """Write the build context of `model/` to `image/`; no container engine is needed.

    Raises `BundleError` for a bundle that is not what its manifest says, `GateError` for a model
    that its gates refused, `UsageError` where `decision.json` is of another model, where the bundle
    lacks the code of a Python feature, or where a Dockerfile of the project's own takes away what
    ours has. Of an `experiment` that the gates refused, `image/` holds a note that says so, and no
    build context.
    """
    bundle = open_bundle(project.root / MODEL)
    bundle.refuse_unserved()
    try:
        _check_decision(project, bundle)
    except GateError as e:
        if not experiment:
            raise
        with replacing_folder(project.root / IMAGE) as folder:
            write_text(folder / "REFUSED", f"{e.message}\n{e.hint}\n")
        return PackageResult(IMAGE, bundle.digest, bundle.version)
    progress.update(f"writing {IMAGE}/ of {bundle.version}")
    own = own_templates(project.root)
    write_context(bundle, project.root / IMAGE, Base(project.config.package.base, own))
    return PackageResult(IMAGE, bundle.digest, bundle.version)


def _check_decision(project: Project, bundle: Bundle) -> None:
    file = project.root / DECISION
    try:
        decision = msgspec.json.decode(file.read_bytes(), type=_Decision)
    except FileNotFoundError as e:
        raise UsageError(
            f"{DECISION} is missing: nobody decided on this model", hint="mlops run register"
        ) from e
    except msgspec.DecodeError as e:
        raise UsageError(f"{DECISION}: {e}", hint="mlops run register") from e
    if decision.digest != bundle.digest:
        raise UsageError(
            f"{DECISION} is of {decision.digest[:12]}, and {MODEL}/ holds {bundle.version}",
            hint="mlops run register",
        )
    if not decision.passed:
        raise GateError(
            f"{bundle.version} was refused by its gates: it is not packaged",
            hint=f"see {DECISION} for the reasons",
        )
