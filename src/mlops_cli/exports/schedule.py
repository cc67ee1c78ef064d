"""`mlops export schedule`: the commands that a clock has to run, for the clock that you have.

A window is judged ten minutes after its end, so that what was logged last has been written; where
windows are longer than a day, every day, since labels come in between.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, assert_never

from mlops_cli._templates import render, render_yaml
from mlops_cli.bundle.requirements import PACKAGE
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.experiments.logged_evidence import needs_log
from mlops_cli.targets.kubernetes.naming import object_name
from mlops_cli.targets.kubernetes.rights import Rule, collect_rights, tick_rights

Clock = Literal["cron", "systemd", "cronjob", "github"]
MONITOR, TICK = "monitor", "rollout-tick"
_DAY = timedelta(days=1)
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SOONEST = re.compile(r"^(\*|\*/[1-4]) ")  # GitHub runs nothing more often than every 5 minutes
_GITHUB = '"https://x-access-token:$GITHUB_TOKEN@github.com/$GITHUB_REPOSITORY"'
_IMAGE = (
    "a CronJob needs an image that has mlops-cli and the project in /project: your own image of it"
)


@dataclass(frozen=True, slots=True)
class Job:
    """A command and when it is run: a line of cron, in UTC, and the same for systemd.

    `found` is the exit code by which it tells that it found something, and did not fail; `branches`
    is where the branches begin that it makes, which somebody else's machine has to push.
    """

    name: str
    command: tuple[str, ...]
    cron: str
    calendar: str
    found: int = 0
    branches: str | None = None


@dataclass(frozen=True, slots=True)
class _Account:
    """A ServiceAccount, the job that has it, and the rules of its Role."""

    name: str
    job: str
    rules: list[Rule]


@dataclass(frozen=True, slots=True)
class Asked:
    """For which clock; `commands` are the names of those that there are, `image` is CronJob's."""

    clock: Clock
    commands: Sequence[str]
    version: str
    image: str | None = None


def schedule_files(project: Project, asked: Asked) -> dict[str, str]:
    """The files by name. Raises `UsageError` for a CronJob without an image."""
    jobs = list(jobs_of(project, asked.commands))
    match asked.clock:
        case "cron":
            return {"crontab": _crontab(project, jobs)}
        case "systemd":
            return _units(project, jobs)
        case "cronjob":
            return {"cronjobs.yaml": _cronjobs(project, jobs, asked.image)}
        case "github":
            return {"mlops-schedule.yml": _workflow(project, jobs, asked.version)}
        case _:
            assert_never(asked.clock)


def jobs_of(project: Project, commands: Iterable[str]) -> Iterable[Job]:
    """What is to be run, of the commands that there are."""
    known = set(commands)
    window = project.config.window
    cron, calendar = often(window)
    yield Job(MONITOR, ("monitor",), cron, calendar, found=5)
    if "retrain" in known:
        branches = project.config.retrain.branch
        daily = ("40 3 * * *", "*-*-* 03:40:00 UTC")
        yield Job("retrain", ("retrain",), *daily, branches=branches)
    if "rollout" in known:
        yield Job(TICK, ("rollout", "tick"), "* * * * *", "*-*-* *:*:00 UTC")


def often(window: timedelta) -> tuple[str, str]:
    """When windows of this length have ended: for cron, and for systemd.

    What divides neither an hour nor a day is looked for at the next shorter step that does.
    """
    minutes = int(min(window, _DAY).total_seconds()) // 60
    if minutes >= 24 * 60:
        return "10 0 * * *", "*-*-* 00:10:00 UTC"
    if minutes >= 60:
        hours = max(h for h in (1, 2, 3, 4, 6, 8, 12) if h * 60 <= minutes)
        return f"10 */{hours} * * *", f"*-*-* 00/{hours}:10:00 UTC"
    step = max(m for m in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30) if m <= max(minutes, 1))
    return f"*/{step} * * * *", f"*-*-* *:00/{step}:00 UTC"


def _crontab(project: Project, jobs: Iterable[Job]) -> str:
    lines = [
        {"when": job.cron, "command": _cron_command(project, job), "name": job.name} for job in jobs
    ]
    return render("schedule/crontab.j2", jobs=lines, secrets=_secrets(project))


def _cron_command(project: Project, job: Job) -> str:
    words = shlex.join([_program(), *job.command, "--project", str(project.root)])
    log = shlex.quote(str(project.cache / f"{job.name}.log"))
    return f"{words} >> {log} 2>&1".replace("%", r"\%")  # a line of cron ends at a plain one


def _units(project: Project, jobs: Iterable[Job]) -> dict[str, str]:
    name = object_name(project.config.project)
    found: dict[str, str] = {}
    for job in jobs:
        words = (_program(), *job.command, "--project", str(project.root))
        values: dict[str, Any] = {
            "unit": f"mlops-{name}-{job.name}",
            "project": _plain(project.config.project),
            "job": job,
            "name": name,
            "command": " ".join(map(_of_systemd, words)),
            "folder": _of_systemd(str(project.root))[1:-1],
            "secrets": _secrets(project),
        }
        for kind in ("service", "timer"):
            found[f"{values['unit']}.{kind}"] = render(f"schedule/{kind}.j2", **values)
    return found


def _cronjobs(project: Project, jobs: Sequence[Job], image: str | None) -> str:
    if image is None:
        raise UsageError(_IMAGE, hint="--image registry.example.org/team/rain-ops:1")
    secret = f"{object_name(project.config.project)}-monitor"
    return render_yaml(
        "schedule/cronjobs.yaml.j2",
        project=project.config.project,
        name=object_name(project.config.project),
        namespace=project.config.deploy.kubernetes.namespace,
        image=image,
        secret=secret if _secrets(project) else None,
        secrets=_secrets(project),
        jobs=[{"name": job.name, "cron": job.cron, "script": _script(job)} for job in jobs],
        accounts=list(_accounts(project, jobs)),
    )


def _accounts(project: Project, jobs: Iterable[Job]) -> Iterable[_Account]:
    """Whose rights a job needs, where it works on a deployment of the same cluster."""
    deploy = project.config.deploy
    if deploy.target != "kubernetes":
        return
    name = object_name(project.config.project)
    rules = {
        MONITOR: collect_rights() if project.config.serve.log is not None else None,
        TICK: tick_rights(
            name,
            routed=deploy.kubernetes.router == "gateway",
            logged=needs_log(deploy.rollout),
        ),
    }
    for job in jobs:
        if (found := rules.get(job.name)) is not None:
            yield _Account(f"{name}-{job.name}", job.name, found)


def _script(job: Job, to: str = "origin") -> str:
    words = shlex.join(("mlops", *job.command))
    if job.branches is not None:
        refs = f"refs/heads/{job.branches}/*"
        return f"{words} && git push {to} {shlex.quote(f'{refs}:{refs}')}"
    return f"{words} || [ $? -eq {job.found} ]" if job.found else words


def _workflow(project: Project, jobs: Sequence[Job], version: str) -> str:
    jobs = [replace(job, cron=_SOONEST.sub("*/5 ", job.cron)) for job in jobs]
    return render_yaml(
        "schedule/workflow.yml.j2",
        project=project.config.project,
        requirement=PACKAGE.format(version),
        secrets={name: f"${{{{ secrets.{name} }}}}" for name in _secrets(project)},
        whens=list(dict.fromkeys(job.cron for job in jobs)),
        jobs=[
            {
                "name": job.name,
                "cron": job.cron,
                "title": shlex.join(("mlops", *job.command)),
                "script": _script(job, _GITHUB),
                "pushes": job.branches is not None,
            }
            for job in jobs
        ],
    )


def _secrets(project: Project) -> list[str]:
    """The variables that the sinks need."""
    sinks = [sink.model_dump_json() for sink in project.config.monitor.sinks]
    return sorted(dict.fromkeys(name for text in sinks for name in _VARIABLE.findall(text)))


def _program() -> str:
    beside = Path(sys.executable).with_name("mlops")
    return str(beside) if beside.exists() else "mlops"


def _of_systemd(word: str) -> str:
    for special, plain in (("\\", r"\\"), ('"', r"\""), ("%", "%%"), ("$", "$$")):
        word = word.replace(special, plain)
    return f'"{word}"'


def _plain(text: str) -> str:
    return text.replace("%", "%%")
