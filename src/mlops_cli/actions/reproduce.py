"""The command `reproduce`: make a version again from what is recorded, and compare."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mlops_cli.audit.log import every_entry
from mlops_cli.config.project import Project
from mlops_cli.governance.candidates import version_of
from mlops_cli.governance.champion import champion_of
from mlops_cli.governance.reproduction import (
    Difference,
    Origin,
    Verdict,
    compare,
    made_in,
    origin_of,
)
from mlops_cli.packaging.virtualenv import make_environment
from mlops_cli.pipeline.again import bring_tables, checked_out, train_again
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tracking import open_tracker
from mlops_cli.training.provenance import code_digest

_COMPARE = (
    "import sys; from pathlib import Path; "
    "from mlops_cli.governance.reproduction import difference_in_prediction as d; "
    "sys.stdout.write(d(Path(sys.argv[1]), Path(sys.argv[2])) or '')"
)


@dataclass(frozen=True, slots=True)
class ReproduceResult:
    """A version and what came of making it again; `made` is that model's digest.

    `identical`: every byte and every metric; `equal`: within the tolerance of predictions.
    Otherwise `first_difference`, in the order in which a model is made, and `why` in words.
    `environment` is `anew` or `here`; `metrics` are those of the hold-out, then and now.
    """

    digest: str
    version: str
    commit: str
    environment: str
    verdict: Verdict
    first_difference: Difference | None
    why: str | None
    made: str
    metrics: Mapping[str, tuple[float, float | None]]
    seconds: float


def reproduce(
    project: Project, version: str | None = None, *, here: bool = False, progress: Progress = QUIET
) -> ReproduceResult:
    """Make `version` (12 digits; default: the champion) again from its commit, and compare.

    In a temporary folder, with the data that DVC has, in an environment made anew from what
    training recorded, or `here`. The project stays as it is. Raises `UsageError` for a version that
    no commit makes, `EnvironmentFault` where commit, data or packages cannot be had.
    """
    started = time.monotonic()
    tracker = open_tracker(project)
    entries = every_entry(project.root, tracker)
    named = version_of(project, tracker, entries, version) if version else None
    origin = origin_of(project, tracker, entries, named or champion_of(project, tracker))
    with checked_out(project, origin.commit) as copy, TemporaryDirectory() as folder:
        erased = bring_tables(copy, project, progress)
        python = Path(sys.executable)
        if not here:
            made, code = origin.made.provenance, code_digest()
            python = make_environment(Path(folder), made, code, progress=progress)
        progress.update("running the pipeline")
        train_again(copy, python)
        result = _compared(origin, copy, python, started)
    if not here:
        result = replace(result, environment="anew")
    if not erased or result.first_difference in ("code", "lock"):
        return result
    why = f"erased: rows of a subject are no longer in {', '.join(erased)}"
    return replace(result, verdict="different", first_difference="data", why=why)


def _compared(origin: Origin, copy: Project, python: Path, started: float) -> ReproduceResult:
    then, now = origin.made, made_in(copy.root, copy)

    def apart() -> str | None:
        return _apart(python, then.bundle.path, now.bundle.path)

    verdict, first, why = compare(then, now, apart)
    if origin.uncommitted and why:
        why += "; it was registered with changes that no commit holds"
    return ReproduceResult(
        digest=then.bundle.digest,
        version=then.bundle.version,
        commit=origin.commit,
        environment="here",
        verdict=verdict,
        first_difference=first,
        why=why,
        made=now.bundle.digest,
        metrics={name: (was, now.metrics.get(name)) for name, was in then.metrics.items()},
        seconds=round(time.monotonic() - started, 3),
    )


def _apart(python: Path, then: Path, now: Path) -> str | None:
    """By what the predictions differ: computed by the interpreter that made the second one."""
    command = [str(python), "-P", "-c", _COMPARE, str(then), str(now)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"its predictions cannot be computed: {done.stderr.strip()[-200:]}"
    return done.stdout or None
