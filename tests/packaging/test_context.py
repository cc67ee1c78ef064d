"""The build context: whole, the same each time, and enough to serve by itself."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bundles
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.errors import BundleError
from mlops_cli.packaging.base import Base
from mlops_cli.packaging.context import write_context

BASE = "python:{python}-slim"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("packaged") / "model"
    bundles.write(folder)
    return open_bundle(folder)


def fingerprint(folder: Path) -> dict[str, tuple[str, int, float]]:
    return {
        str(p.relative_to(folder)): (
            hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "",
            p.stat().st_mode,
            p.stat().st_mtime,
        )
        for p in sorted(folder.rglob("*"))
    }


def test_the_context_holds_the_bundle_without_its_provenance(
    bundle: Bundle, tmp_path: Path
) -> None:
    write_context(bundle, tmp_path / "image", Base(BASE))
    packaged = open_bundle(tmp_path / "image/model/opt/mlops/model")
    assert packaged.digest == bundle.digest
    assert not (tmp_path / "image/model/opt/mlops/model/provenance.json").exists()
    requirements = (tmp_path / "image/requirements.txt").read_bytes()
    assert requirements == (bundle.path / "requirements.txt").read_bytes()


def test_the_same_bundle_gives_the_same_bytes_modes_and_times(
    bundle: Bundle, tmp_path: Path
) -> None:
    write_context(bundle, tmp_path / "one", Base(BASE))
    copied = tmp_path / "model"
    shutil.copytree(bundle.path, copied)
    (copied / "provenance.json").write_text('{"host": "another"}')
    before = os.umask(0o077)
    try:
        write_context(open_bundle(copied), tmp_path / "two", Base(BASE))
    finally:
        os.umask(before)
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")


def test_what_was_there_is_replaced_and_no_other_file_comes_in(
    bundle: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image/secrets.env").write_text("x")
    write_context(bundle, tmp_path / "image", Base(BASE))
    found = {p.name for p in (tmp_path / "image").iterdir()}
    assert found == {"Dockerfile", "requirements.txt", "runtime", "model", "log"}
    assert not list((tmp_path / "image").rglob("__pycache__"))
    assert {p.name for p in tmp_path.iterdir()} == {"image"}


def test_a_context_that_cannot_be_written_leaves_the_old_one(
    bundle: Bundle, tmp_path: Path
) -> None:
    write_context(bundle, tmp_path / "image", Base(BASE))
    before = fingerprint(tmp_path / "image")
    lacking = tmp_path / "lacking"
    shutil.copytree(bundle.path, lacking)
    opened = open_bundle(lacking)
    (lacking / "golden.jsonl").unlink()
    with pytest.raises(BundleError, match=r"lacking/golden\.jsonl"):
        write_context(opened, tmp_path / "image", Base(BASE))
    assert fingerprint(tmp_path / "image") == before


def test_the_dockerfile_only_copies_and_is_not_root(bundle: Bundle, tmp_path: Path) -> None:
    write_context(bundle, tmp_path / "image", Base("registry.example.com:5000/py:{python}"))
    text = (tmp_path / "image/Dockerfile").read_text()
    steps = [x.split() for x in text.splitlines() if re.match("[A-Z]+ ", x)]
    base = f"registry.example.com:5000/py:{bundle.manifest.python}"
    assert [x for x in steps if x[0] == "FROM"] == [["FROM", base]]
    copied = [x[1:] for x in steps if x[0] in ("COPY", "ADD")]
    own = ["--chown=65532:65532", "log/", "/"]  # where the log's volume stands
    assert copied == [own, ["dependencies/", "/"], ["runtime/", "/"], ["model/", "/"]]
    user = next(x[1] for x in steps if x[0] == "USER").partition(":")[0]
    assert int(user) > 0
    assert not [x for x in steps if x[0] == "RUN"], "no compiler, no installer, no network"
    assert [x for x in steps if x[0] == "HEALTHCHECK"]
    assert '"--log-format", "json"' in next(" ".join(x) for x in steps if x[0] == "ENTRYPOINT")
    assert f'dev.mlops-cli.digest="{bundle.digest}"' in text
    assert f'org.opencontainers.image.version="{bundle.version}"' in text


def test_hadolint_has_nothing_to_say_of_the_dockerfile(bundle: Bundle, tmp_path: Path) -> None:
    write_context(bundle, tmp_path / "image", Base(BASE))
    file = tmp_path / "image/Dockerfile"
    lint = [Path(sys.executable).parent / "hadolint", "--no-color", file]
    done = subprocess.run(lint, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    file.write_text(file.read_text() + "RUN cd /opt && apt-get install -y curl\n")
    assert subprocess.run(lint, capture_output=True).returncode == 1


def test_the_runtime_serves_by_itself(bundle: Bundle, tmp_path: Path) -> None:
    """It imports with nothing of this package but what the context holds, and nothing heavy."""
    write_context(bundle, tmp_path / "image", Base(BASE))
    runtime = tmp_path / "image/runtime/opt/mlops/runtime"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import mlops_cli; assert mlops_cli.__file__.startswith(sys.argv[1]);"
        "import mlops_cli.serving.server;"
        "heavy = {'pandas','pyarrow','mlflow','dvc','sklearn','evidently','pydantic','typer',"
        "'rich','jinja2','ruamel','duckdb','sqlglot'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-P", "-c", code, str(runtime)], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == "[]"
