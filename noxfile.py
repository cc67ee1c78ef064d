"""The project's checks: `nox` runs what passes before a change lands, `nox -s slow` the rest."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import tomllib
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests"]
nox.options.error_on_external_run = True
LOCK = "requirements-dev.lock"


@nox.session
def lint(session: nox.Session) -> None:
    """The guards of the house: style, types, the floors, docstrings."""
    _install(session)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports")
    session.run("interrogate", "--quiet", "src")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test that is not slow; the last line is pytest's own summary."""
    _install(session)
    _pytest(session, "-m", "not slow")


@nox.session
def slow(session: nox.Session) -> None:
    """Every test, the slow ones too, with coverage; alone they are `-- -m slow --no-cov`."""
    _install(session)
    _pytest(session, "--cov", "--cov-report=term:skip-covered")


@nox.session
def extras(session: nox.Session) -> None:
    """Every extra of pyproject.toml, beside the core at the versions of the lock."""
    session.install("uv")
    session.run("uv", "pip", "install", "--quiet", "-c", LOCK, "--group", "dev", "-e", ".[all]")
    # A real server of S3's interface, by itself: with the lock's versions there is none.
    moto = f"{session.create_tmp()}/moto"
    session.run("uv", "venv", "--quiet", "--clear", moto)
    session.run("uv", "pip", "install", "--quiet", "--python", moto, "moto[server,s3]>=5.2")
    session.run(
        "pytest",
        "tests/test_extras.py",
        "tests/packaging/test_signing.py",
        "tests/importing/test_lightgbm.py",
        "tests/training/test_lightgbm.py",
        "tests/training/test_catboost.py",
        "tests/training/test_mixture.py",
        "tests/stages/test_weights.py",
        "tests/serving/test_uploader.py",
        "tests/serving/test_grpc.py",
        "tests/targets/test_docker_extras.py",
        "tests/reports/test_drift.py",
        "tests/sources",
        "tests/tuning/test_shared.py",
        "tests/actions/test_tune_worker.py",
        "tests/engines",
        *session.posargs,
        env={"PATH": f"{moto}/bin:{os.environ['PATH']}"},
    )
    logging.getLogger("nox").setLevel(logging.ERROR)


@nox.session
def sail(session: nox.Session) -> None:
    """Every engine's suite on Sail, a Spark Connect without Java, by a client that it takes."""
    session.install("uv")
    session.run("uv", "pip", "install", "--quiet", "-c", LOCK, "--group", "dev", "-e", ".")
    session.run("uv", "pip", "install", "--quiet", "pyspark-client>=4.1,<4.2", "pysail>=0.7.2")
    session.run("pytest", "tests/engines/test_sail.py", *session.posargs)


@nox.session
def clients(session: nox.Session) -> None:
    """What reads ours, or must count as we do, each in its own environment."""
    session.install("uv")
    session.run("uv", "pip", "install", "--quiet", "-c", LOCK, "--group", "dev", "-e", ".[grpc]")
    folder = session.create_tmp()
    for package, *more in (
        ("tritonclient[http,grpc]>=2.73",),
        ("mlserver>=1.7.1",),
        ("kserve>=0.21",),
        ("fastavro>=1.13",),
        ("open-data-contract-standard>=3.0.2",),
        ("great_expectations>=1.9", "pyarrow"),
        ("dbt-duckdb>=1.10", "dbt-core>=1.10,<1.12"),
        ("fairlearn>=0.15",),
        ("shap>=0.51", "xgboost-cpu"),
        ("feast>=0.67",),
    ):
        environment = f"{folder}/{package.partition('>')[0].partition('[')[0]}"
        session.run("uv", "venv", "--quiet", "--clear", environment)
        session.run("uv", "pip", "install", "--quiet", "--python", environment, package, *more)
    env = {"MLOPS_CLIENTS": folder}
    tested = (
        "tests/serving/test_clients.py",
        "tests/exports/test_kserve_client.py",
        "tests/exports/test_contract_forms.py",
        "tests/evaluation/test_equal.py",
        "tests/exports/test_feast.py",
    )
    session.run("pytest", *tested, *session.posargs, env=env)


@nox.session
def fuzz(session: nox.Session) -> None:
    """10,000 requests, made from the served OpenAPI document, right ones and wrong ones."""
    session.install("uv")
    session.run("uv", "pip", "install", "--quiet", "-c", LOCK, "--group", "dev", "-e", ".",
                "schemathesis>=4.32")  # fmt: skip
    env = {"MLOPS_FUZZ_CASES": "10000"}
    session.run("pytest", "-s", "tests/serving/test_document.py", *session.posargs, env=env)


@nox.session
def release(session: nox.Session) -> None:
    """What would be published: built from git's files, checked, installed as a user does, tried."""
    version = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
    if f"\n## [{version}]" not in Path("CHANGELOG.md").read_text():
        session.error(f"CHANGELOG.md has no section [{version}]")
    session.install("uv")
    session.run("uv", "pip", "install", "--quiet", "--group", "release")
    session.run("check-sdist")
    shutil.rmtree(made := Path("dist"), ignore_errors=True)
    session.run(
        "python", "-m", "build", "--outdir", str(made), silent=True
    )  # the wheel of the sdist
    wheel, sdist = (str(next(made.glob(form))) for form in ("*.whl", "*.tar.gz"))
    session.run("twine", "check", "--strict", wheel, sdist)
    session.run("check-wheel-contents", wheel)
    session.run("uv", "venv", "--quiet", "--clear", clean := f"{session.create_tmp()}/clean")
    session.run("uv", "pip", "install", "--quiet", "--python", clean, wheel)
    session.run("uv", "pip", "check", "--python", clean)
    said = session.run(f"{clean}/bin/mlops", "--version", external=True, silent=True)
    if said != f"mlops {version}\n":
        session.error(f"`mlops --version` says {said!r}, and pyproject.toml {version}")
    with tempfile.TemporaryDirectory() as folder:
        session.run(f"{clean}/bin/mlops", "demo", f"{folder}/delays", external=True)
    session.log(f"{wheel} and {sdist} are what may be published")


@nox.session
def bench(session: nox.Session) -> None:
    """How fast it is: `nox -s bench -- LINE...`; see benchmarks/README.md."""
    _install(session, LOCK, "requirements-bench.lock")
    session.run("python", "-m", "benchmarks", *session.posargs)
    logging.getLogger("nox").setLevel(logging.ERROR)


def _install(session: nox.Session, *locks: str) -> None:
    session.install("uv")
    for lock in locks or (LOCK,):
        session.run_install("uv", "pip", "install", "--quiet", "--require-hashes", "-r", lock)
    session.run_install("uv", "pip", "install", "--quiet", "--no-deps", "--editable", ".")


def _pytest(session: nox.Session, *options: str) -> None:
    session.env["PYTHONDONTWRITEBYTECODE"] = ""  # or each of a thousand starts compiles all again
    session.run("pytest", "-n", "2", "--dist", "worksteal", *options, *session.posargs)
    logging.getLogger("nox").setLevel(logging.ERROR)
