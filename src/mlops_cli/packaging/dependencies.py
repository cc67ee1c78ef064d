"""The layer of installed packages: made on the host, the same bytes each time, kept in a cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlops_cli._files import replacing_folder, sha256_of
from mlops_cli.packaging.layers import append_folder
from mlops_cli.packaging.sbom import SBOM, sbom
from mlops_cli.packaging.wheels import LOCK, Environment, cache_folder, fetch_wheels, run_pip
from mlops_cli.progress import Progress

ROOT = "opt/mlops"
_REVISION = "3"  # raise it when the same wheels give another layer


@dataclass(frozen=True, slots=True)
class Place:
    """Where packages stand: in a folder of the build context, which is copied to the root of the
    image, in `opt/mlops/SITE`; beside it lock and bill of materials, named by `prefix`."""

    folder: str
    site: str
    prefix: str = ""

    @property
    def path(self) -> str:
        """The packages' folder, from the root."""
        return f"{ROOT}/{self.site}"


BUNDLE = Place("dependencies", "site")
EXTRAS = Place("extras", "extras", "extras-")
_ARCHIVE = "layer.tar"
_SUM = "layer.sha256"
# Neither tests nor what only a compiler reads is ever imported.
_UNUSED_FOLDERS = ("tests", "test")
_UNUSED_LIBRARIES = ("pyarrow/*flight*", "duckdb/experimental")
_UNUSED_FILES = (".a", ".pyi", ".pyx", ".pxd", ".h", ".hpp", ".c", ".f", ".f90")


@dataclass(frozen=True, slots=True)
class Layer:
    """A tar archive without its end (see `layers.append_folder`), and its sha256."""

    file: Path
    sha256: str


def dependencies_layer(
    environment: Environment, place: Place = BUNDLE, *, progress: Progress
) -> Layer:
    """The installed packages in their place of the build context, from the cache where it can.

    Wheels are installed with the hashes of their lock; without the network, if they are cached.
    Raises `EnvironmentFault` with pip's reason.
    """
    name = f"{place.prefix}layer-{_REVISION}{_compiler(environment)}"
    folder = cache_folder() / environment.key / name
    if (found := _cached(folder)) is not None:
        return found
    wheels = fetch_wheels(environment, progress=progress)
    progress.update("installing serving's packages for the image")
    with replacing_folder(folder) as new:
        with tempfile.TemporaryDirectory(dir=new) as root:
            _install(environment, wheels, Path(root) / place.folder, place)
            with (new / _ARCHIVE).open("wb") as archive:
                append_folder(Path(root), archive)
        (new / _SUM).write_text(sha256_of(new / _ARCHIVE), encoding="ascii")
    return Layer(folder / _ARCHIVE, (folder / _SUM).read_text(encoding="ascii"))


def bill_in(layer: Layer) -> bytes:
    """The bill of materials of a layer: it stands before the packages, of which none is read."""
    with tarfile.open(layer.file) as entries:
        bill = next(entry for entry in entries if entry.name.endswith(SBOM))
        content = entries.extractfile(bill)
        return content.read() if content is not None else b""


def _cached(folder: Path) -> Layer | None:
    try:
        wanted = (folder / _SUM).read_text(encoding="ascii")
        intact = sha256_of(folder / _ARCHIVE) == wanted
    except OSError:
        return None
    return Layer(folder / _ARCHIVE, wanted) if intact else None


def _install(environment: Environment, wheels: Path, root: Path, place: Place) -> None:
    site = root / place.path
    site.parent.mkdir(parents=True)
    offline = ["--no-index", "--find-links", str(wheels), "--require-hashes", "--no-compile"]
    run_pip(
        ["install", *offline, *environment.options(), "--target", str(site)],
        ["--requirement", str(wheels / LOCK)],
        what="serving's wheels cannot be installed",
    )
    shutil.copyfile(wheels / LOCK, site.parent / f"{place.prefix}{LOCK}")
    (site.parent / f"{place.prefix}{SBOM}").write_bytes(sbom(wheels))
    _trim(site)
    if _compiler(environment):
        _compile(site, place)


def _trim(site: Path) -> None:
    shutil.rmtree(site / "bin", ignore_errors=True)  # scripts that name this machine's Python
    for folder in [p for p in site.rglob("*") if p.is_dir() and p.name in _UNUSED_FOLDERS]:
        shutil.rmtree(folder, ignore_errors=True)
    for path in [p for pattern in _UNUSED_LIBRARIES for p in site.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for file in [p for p in site.rglob("*") if p.suffix in _UNUSED_FILES]:
        file.unlink()


def _compiler(environment: Environment) -> str:
    """Which Python compiles: this one, where it is of the image's minor version; else none."""
    own = ".".join(map(str, sys.version_info[:2]))
    return "-" + ".".join(map(str, sys.version_info[:3])) if own == environment.python else ""


def _compile(site: Path, place: Place) -> None:
    """Byte code that is read without a look at its source; in a new process, so always the same."""
    packages = [str(p) for p in sorted(site.iterdir()) if p.is_dir()]
    strip = ["-s", str(site), "-p", f"/{place.path}"]  # tracebacks name the file in the image
    compiler = [sys.executable, "-I", "-m", "compileall", "-q", *strip]
    mode = ["--invalidation-mode", "unchecked-hash"]
    subprocess.run([*compiler, *mode, *packages], check=False, capture_output=True)
