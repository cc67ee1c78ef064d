"""The runtime stands alone: without the heavy packages, and without the rest of this one."""

from __future__ import annotations

import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import bundles
import mlops_cli
from mlops_cli import bundle, expressions, serving
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.packaging.context import RUNTIME
from mlops_cli.targets.readiness import ready_digest, soon
from servers import free_port

ROOT = Path(__file__).resolve().parents[2]

BLOCKED = (
    "pandas",
    "pyarrow",
    "mlflow",
    "dvc",
    "sklearn",
    "evidently",
    "pydantic",
    "typer",
    "rich",
    "jinja2",
    "ruamel",
    "duckdb",
    "sqlglot",
    "optuna",
    "scipy",
    "google",
    "flatbuffers",
    "packaging",
)
OF_EXTRAS = (  # loaded where a setting asks for them
    "mlops_cli.serving.grpc_server",
    "mlops_cli.serving.object_store",
    "mlops_cli.serving.otel",
    "mlops_cli.serving.protocols.open_inference_pb2",
    "mlops_cli.serving.protocols.v2_grpc",
)
BLOCKER = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)
sys.meta_path.insert(0, Blocker())
"""


def _run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKER + code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("room", [serving, bundle, expressions])
def test_every_module_of_the_runtime_is_imported_without_the_heavy_packages(
    room: ModuleType,
) -> None:
    found = [m.name for m in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")]
    names = [name for name in found if name not in OF_EXTRAS]
    assert len(names) > 4
    ended = _run(
        f"import importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        "found = {n.partition('.')[0] for n in sys.modules}\n"
        f"print(sorted(found & set({BLOCKED!r})))"
    )
    assert ended.stdout.strip() == "[]", ended.stderr


def test_without_the_command_line_s_packages_mlops_serves_and_says_that_it_does_no_more(
    tmp_path: Path,
) -> None:
    main = "import sys; from mlops_cli.cli.main import main; sys.argv[1:] = {}; main()"
    ended = _run(main.format(["serve", "--bundle", str(tmp_path)]))
    assert ended.returncode == 8
    assert f"error: {tmp_path} is not a bundle" in ended.stderr
    ended = _run(main.format(["status"]))
    assert ended.returncode == 8
    assert ended.stderr.startswith("error: this environment has what serving needs, and no more\n")


@pytest.mark.slow
@pytest.mark.parametrize("onnx", [False, True])
def test_an_environment_that_only_serves_is_small(
    samples: dict[tuple[str, bool], bundles.Sample], tmp_path: Path, *, onnx: bool
) -> None:
    source, made = samples["binary", onnx].path, tmp_path / "serving"
    subprocess.run([sys.executable, "-m", "venv", made], check=True)
    install = ["pip", "install", "-q", "--no-deps", "--no-compile"]
    subprocess.run(
        [made / "bin/python", "-m", *install, ROOT, "-r", source / "requirements.txt"], check=True
    )
    port = free_port()
    serve = [made / "bin/mlops", "serve", "--bundle", source, "--port", str(port)]
    with subprocess.Popen(serve) as process:
        try:
            served = soon(lambda: ready_digest("127.0.0.1", port), 60)
        finally:
            process.terminate()
    assert served == open_bundle(source).digest
    size = subprocess.run(["du", "-sm", made], check=True, capture_output=True, text=True).stdout
    assert int(size.split()[0]) < (190 if onnx else 140)


@pytest.mark.parametrize("onnx", [False, True])
def test_it_predicts_from_a_folder_that_holds_no_more_than_an_image(
    samples: dict[tuple[str, bool], bundles.Sample], tmp_path: Path, *, onnx: bool
) -> None:
    package = tmp_path / "mlops_cli"
    package.mkdir()
    source = Path(mlops_cli.__file__).parent
    for name in RUNTIME:
        copy = shutil.copytree if (source / name).is_dir() else shutil.copy
        copy(source / name, package / name)
    bundle = samples["multiclass", onnx].path
    ended = _run(
        f"""
import mlops_cli
from pathlib import Path
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.golden import replay
from mlops_cli.serving.predictor import open_predictor
import mlops_cli.serving.__main__, mlops_cli.serving.server
bundle = open_bundle(Path({str(bundle)!r}))
print(mlops_cli.__file__, replay(bundle, open_predictor(bundle)))
""",
        PYTHONPATH=str(tmp_path),
    )
    assert ended.stdout.split() == [str(package / "__init__.py"), "240"], ended.stderr
