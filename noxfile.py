"""The project's checks: `nox` runs what passes before a change lands, `nox -s slow` the rest."""

from __future__ import annotations

import logging

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
    session.run("pytest", "tests/test_extras.py", *session.posargs)
    logging.getLogger("nox").setLevel(logging.ERROR)


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
    session.run("pytest", "-n", "2", "--dist", "worksteal", *options, *session.posargs)
    logging.getLogger("nox").setLevel(logging.ERROR)
