"""The project's checks: `nox` runs what passes before a change lands, `nox -s slow` the rest."""

from __future__ import annotations

import logging

import nox

nox.options.sessions = ["tests"]
nox.options.error_on_external_run = True
LOCK = "requirements-dev.lock"


@nox.session
def tests(session: nox.Session) -> None:
    """The guards of the house, then the tests; the last line is pytest's own summary."""
    _install(session)
    _house(session)
    coverage = ("--cov", "--cov-report=term:skip-covered", "--no-cov-on-fail")
    session.run(
        "pytest", "-m", "not slow", "-n", "2", "--dist", "loadfile", *coverage, *session.posargs
    )
    logging.getLogger("nox").setLevel(logging.ERROR)


@nox.session
def slow(session: nox.Session) -> None:
    """Simulations and long searches: coverage of intervals, false alarms, fuzzing."""
    _install(session)
    session.run("pytest", "-m", "slow", "-n", "2", *session.posargs)
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
        session.run("uv", "pip", "install", "--quiet", "--require-hashes", "-r", lock)
    session.run("uv", "pip", "install", "--quiet", "--no-deps", "--editable", ".")


def _house(session: nox.Session) -> None:
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports")
    session.run("interrogate", "--quiet", "src")
