"""The image that scores: it is `mlops score`, with what that reads and imports, and no more."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from packaging.requirements import Requirement

import bundles
import projects
from command_line import Mlops
from engine import docker, inspected
from mlops_cli.actions.build import BuildResult, build
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.bundle.requirements import canonical_name
from mlops_cli.config.load import load_project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.packaging.base import Base
from mlops_cli.packaging.batch import project_files, score_requirements
from mlops_cli.packaging.context import write_context
from mlops_cli.packaging.image import batch_image, release_tag
from mlops_cli.progress import QUIET

ROOT = Path(__file__).resolve().parents[2]
TABLE = "data/raw/parcels.csv"
NO_PARTS = ("rich",)  # Typer draws help pages with it where it is asked to


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    return projects.copy(projects.finished("parcels"), folder / "parcels")


@pytest.fixture
def built(docker_engine: str, parcels: Path) -> BuildResult:
    """The image, which is built once: later it stands."""
    return build(load_project(parcels), image=False, batch=True)


@pytest.fixture
def folder(tmp_path: Path, parcels: Path) -> Path:
    """A folder to mount, with the table as CSV and Parquet, that any user may write."""
    folder = tmp_path / "files"
    folder.mkdir()
    shutil.copyfile(parcels / TABLE, folder / "in.csv")
    pq.write_table(pyarrow.csv.read_csv(parcels / TABLE), folder / "in.parquet")
    folder.chmod(0o777)
    return folder


def contained(image: str, folder: Path, *asked: str) -> subprocess.CompletedProcess[str]:
    """A container as carefully as it can be run, with `folder` as `/data`."""
    safe = ("--read-only", "--tmpfs", "/tmp", "--network", "none", "--cap-drop", "ALL")
    run = ["docker", "run", "--rm", *safe, "--volume", f"{folder}:/data", image, *asked]
    return subprocess.run(run, capture_output=True, text=True, check=False)


@pytest.mark.docker
def test_a_container_scores_to_the_bit_what_the_command_does(
    built: BuildResult, parcels: Path, folder: Path, mlops: Mlops
) -> None:
    assert built.batch is not None
    for source, out in (("in.csv", "out.csv"), ("in.parquet", "out.parquet")):
        done = contained(built.batch.image, folder, f"/data/{source}", f"/data/{out}")
        assert (done.returncode, done.stderr) == (0, f"checking {source}\n")
        assert done.stdout == f"600 rows by {built.version} to /data/{out}\n"
        mlops(parcels, "score", "--bundle", "model", folder / source, folder / f"own-{out}", code=0)
        assert (folder / out).read_bytes() == (folder / f"own-{out}").read_bytes()


@pytest.mark.docker
@pytest.mark.parametrize(
    ("asked", "code"),
    [(("bad.csv", "out.csv"), 3), (("no.csv", "out.csv"), 2), (("in.csv", "--forc"), 2)],
)
def test_what_a_container_refuses_it_refuses_as_the_command_does(
    built: BuildResult,
    parcels: Path,
    folder: Path,
    mlops: Mlops,
    asked: Sequence[str],
    code: int,
) -> None:
    lines = (folder / "in.csv").read_text().splitlines()
    lines[7] = lines[7].replace(",", ",heavy", 2).replace(",heavy", ",", 1)
    (folder / "bad.csv").write_text("\n".join(lines) + "\n")
    assert built.batch is not None
    inside = [a if a.startswith("-") else f"/data/{a}" for a in asked]
    outside = [a if a.startswith("-") else str(folder / a) for a in asked]
    done = contained(built.batch.image, folder, *inside)
    own = mlops(parcels, "score", "--bundle", "model", *outside, code=code)
    assert done.returncode == code
    assert done.stderr == own.err.replace(str(folder), "/data")
    assert not (folder / "out.csv").exists()


@pytest.mark.docker
def test_the_image_is_nobodys_and_says_what_it_holds(
    built: BuildResult, parcels: Path, mlops: Mlops
) -> None:
    assert built.batch is not None
    name = built.batch.image
    tag = f"parcels:{built.version}-{release_tag()}"
    assert (name, built.image) == (f"{tag}-batch", None)
    both = mlops(parcels, "package", "--batch", "--json", code=0).result
    assert (both["image"], both["batch"]["image"]) == (tag, name)
    found, base = (
        inspected(name),
        inspected(f"python:{sys.version_info[0]}.{sys.version_info[1]}-slim"),
    )
    assert found["Config"]["User"] == "65532:65532"
    assert found["Config"]["Entrypoint"][:4] == ["python", "-m", "mlops_cli", "score"]
    assert found["Config"]["Labels"]["dev.mlops-cli.digest"] == built.digest
    assert found["Size"] - base["Size"] < 320e6
    bill = json.loads((parcels / built.batch.sbom).read_bytes())
    installed = {c["name"] for c in bill["components"]}
    assert {"duckdb", "pyarrow", "xgboost-cpu"} <= installed
    assert not installed & {"pandas", "scipy", "mlflow", "dvc", "scikit-learn"}
    said = json.loads((parcels / f".mlops/provenance/{built.version}.batch.json").read_bytes())
    read = {d.get("name") for d in said["predicate"]["buildDefinition"]["resolvedDependencies"]}
    assert {"mlops.yaml", "contracts/parcels.yaml", "parcels"} <= read


@pytest.mark.docker
def test_an_image_that_scores_otherwise_gets_no_name(
    built: BuildResult, parcels: Path, tmp_path: Path
) -> None:
    shutil.copytree(parcels / "model", tmp_path / "model")
    bundles.spoil(tmp_path / "model", 6)
    wrong = open_bundle(tmp_path / "model")
    with pytest.raises(EnvironmentFault, match=r"row 7 of .*golden\.jsonl.*probability"):
        batch_image(load_project(parcels), wrong).build(progress=QUIET)
    label = f"label=dev.mlops-cli.digest={wrong.digest}"
    assert docker("image", "ls", "--quiet", "--filter", label) == ""


def test_what_is_read_of_a_project_is_enough_to_score(
    parcels: Path, folder: Path, mlops: Mlops
) -> None:
    files = project_files(load_project(parcels))
    assert set(files) == {"mlops.yaml", "contracts/parcels.yaml"}
    for name, content in files.items():
        (folder / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "project" / name).write_bytes(content)
    for project, out in ((folder / "project", "a.csv"), (parcels, "b.csv")):
        where = ("--project", project, "--bundle", parcels / "model")
        mlops(folder, "score", "in.csv", out, *where, code=0)
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()


def test_no_secret_and_nothing_of_servers_goes_into_it(parcels: Path, tmp_path: Path) -> None:
    root = projects.copy(parcels, tmp_path / "p")
    config = root / "mlops.yaml"
    config.write_text(config.read_text().replace("deploy: {}", "deploy: {registry: only.here}"))
    files = project_files(load_project(root))
    assert b"only.here" not in b"".join(files.values())
    contract = root / "contracts/parcels.yaml"
    contract.write_text(contract.read_text() + "# AKIA" + "Q7ZD" * 4 + "\n")
    with pytest.raises(UsageError, match=r"parcels\.yaml, line \d+: an access key of AWS"):
        project_files(load_project(root))


def test_the_context_holds_the_whole_package_and_no_data(parcels: Path, tmp_path: Path) -> None:
    bundle, files = open_bundle(parcels / "model"), project_files(load_project(parcels))
    context = tmp_path / "image"
    write_context(bundle, context, Base("python:{python}-slim", scored=files))
    inside = context / "runtime/opt/mlops/runtime/mlops_cli"
    own = {p.relative_to(ROOT / "src/mlops_cli") for p in (ROOT / "src/mlops_cli").rglob("*.py")}
    assert {p.relative_to(inside) for p in inside.rglob("*.py")} == own
    project = context / "project/opt/mlops/project"
    assert {str(p.relative_to(project)) for p in project.rglob("*") if p.is_file()} == set(files)
    assert not (context / "log").exists()
    text = (context / "Dockerfile").read_text()
    assert "RUN" not in {line.partition(" ")[0] for line in text.splitlines()}
    lint = [Path(sys.executable).parent / "hadolint", "--no-color", context / "Dockerfile"]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("python", ["3.11.0", "3.14.0"])
def test_the_versions_go_together_and_are_those_that_are_tested(python: str) -> None:
    there = {"extra": "", "python_full_version": python, "python_version": python[:4]}
    pinned = dict(line.split("==") for line in score_requirements().splitlines())
    lock = (ROOT / "requirements-dev.lock").read_text()
    locked = {canonical_name(line.split("==")[0]): line.split("==")[1].split()[0]
              for line in lock.splitlines() if line[:1].isalnum()}  # fmt: skip
    for name, version in pinned.items():
        assert locked[name] == version, name
        with suppress(PackageNotFoundError):
            for need in map(Requirement, requires(name) or ()):
                asked = need.marker is None or need.marker.evaluate(there)
                if asked and canonical_name(need.name) not in NO_PARTS:
                    assert need.specifier.contains(pinned[canonical_name(need.name)]), need
