"""Write the build context: Dockerfile, runtime, bundle and serving's requirements."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_cli._files import replacing_folder, write_text
from mlops_cli._held import hold_lines, plain_lines
from mlops_cli._templates import OWN, is_own, render
from mlops_cli.bundle.manifest import MANIFEST, REQUIREMENTS
from mlops_cli.bundle.reader import Bundle
from mlops_cli.errors import UsageError
from mlops_cli.packaging.base import Base
from mlops_cli.packaging.layers import TIME
from mlops_cli.packaging.requirements import image_requirements
from mlops_cli.secret_forms import refuse_secrets
from mlops_cli.serving import contract
from mlops_cli.serving.trust import signature_of

DOCKERFILE = "image/Dockerfile.j2"
BATCH_DOCKERFILE = "image/batch.Dockerfile.j2"
ROOT = "opt/mlops"  # in the image, and below each folder of the context
MODEL = f"model/{ROOT}/model"  # where the bundle stands in the context
RUNTIME = (
    "__init__.py",
    "cores.py",
    "errors.py",
    "redaction.py",
    "progress.py",
    "_adapters.py",
    "_files.py",
    "_json.py",
    "_locks.py",
    "_poll.py",
    "bundle",
    "expressions",
    "serving",
)
WHOLE = (".",)  # of the package, as `mlops score` needs it
PROJECT = f"{ROOT}/project"
DATA = "/data"  # where a container that scores finds files, and writes one


def write_context(bundle: Bundle, destination: Path, base: Base) -> None:
    """Write the build context of the image that serves `bundle` to the folder `destination`.

    In the name of the base image `{python}` stands for the bundle's minor version of Python.
    The folder is replaced whole or not at all, and the same bundle gives the same bytes, modes
    and file times. The packages of `requirements.txt` are not in it: a build adds them, from a
    cache that all projects share (see `dependencies`), as it does the extras. The bundle's
    provenance stays out: it differs from run to run. A signature stands beside the bundle's folder.
    An image that scores has the whole package, and what scoring reads of the project.
    A Dockerfile among the project's own templates wins, and is held to what ours has: it raises
    `UsageError` where it takes something away.
    """
    with replacing_folder(destination) as folder:
        write_text(folder / "Dockerfile", _dockerfile(bundle, base))
        # Made anew from names and versions: what pip is to read holds nothing else.
        write_text(folder / REQUIREMENTS, image_requirements(bundle))
        runtime = RUNTIME if base.scored is None else WHOLE
        _copy_runtime(folder / "runtime" / ROOT / "runtime" / "mlops_cli", runtime)
        _copy_model(bundle, folder / MODEL)
        if base.signature is not None:
            signature_of(folder / MODEL).write_bytes(base.signature)
        if base.scored is None:
            _make_folder(folder / f"log{contract.LOG}")
        else:
            _make_folder(folder / f"data{DATA}")
            _write_project(base.scored, folder / "project" / PROJECT)
        _fix_times(folder)


def base_image(bundle: Bundle, base: str) -> str:
    """The base image that `base` means for this bundle."""
    return base.replace("{python}", bundle.manifest.python)


def _dockerfile(bundle: Bundle, base: Base) -> str:
    own = base.own
    values: dict[str, Any] = {
        "base": base_image(bundle, base.image),
        "project": bundle.manifest.project,
        "version": bundle.version,
        "digest": bundle.digest,
        "user": contract.USER,
    }
    if base.scored is None:
        name = DOCKERFILE
        values |= {
            "extras": bool(base.extras),
            "python": bundle.manifest.python,
            "port": contract.PORT,
            "ready": contract.READY,
        }
    else:
        name = BATCH_DOCKERFILE
        values |= {"project_folder": f"/{PROJECT}"}
    text = render(name, own=own, **values)
    if is_own(own, name):
        _hold(name, plain_lines(render(name, **values)), plain_lines(text))
        refuse_secrets(text, f"{OWN}/{name}")
    return text


def _hold(name: str, ours: list[str], own: list[str]) -> None:
    """A Dockerfile has every instruction of ours, and the last word is ours, too."""
    hold_lines(name, ours, own)
    for word in ("FROM", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"):
        last = [[line for line in lines if line.upper().startswith(f"{word} ")][-1:] for lines in
                (ours, own)]  # fmt: skip
        if last[0] != last[1]:
            raise UsageError(
                f"{OWN}/{name}: its last {word} is `{last[1][0][:120]}`",
                hint=f"end with `{last[0][0]}`" if last[0] else "leave it out",
            )


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / ".keep").touch()  # neither git nor DVC knows an empty folder


def _write_project(files: Mapping[str, bytes], to: Path) -> None:
    for name, content in files.items():
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (to / name).write_bytes(content)


def _copy_model(bundle: Bundle, to: Path) -> None:
    to.mkdir(parents=True)
    for name in (MANIFEST, *sorted(bundle.manifest.files)):
        (to / name).write_bytes(bundle.content(name))


def _copy_runtime(to: Path, names: Sequence[str]) -> None:
    package = Path(__file__).resolve().parents[1]
    for file in _sources(package, names):
        target = to / file.relative_to(package)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _sources(package: Path, names: Sequence[str]) -> Iterator[Path]:
    """Python and pages; not the templates, which stand in the package where it is installed."""
    for name in names:
        path = package / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        kept = (f for f in found if not f.is_relative_to(package / "templates"))
        yield from (file for file in kept if file.suffix in (".py", ".html"))


def _fix_times(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (TIME, TIME))
