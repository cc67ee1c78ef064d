"""How a rollout begins: held to what both versions are, then brought beside each other."""

from __future__ import annotations

import secrets

from mlops_cli.actions.bring import collect_first, hold_to_residency, release_of
from mlops_cli.actions.rollout_steps import Found, Work
from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.profile import Profile
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.config.sections.rollout import RolloutConfig
from mlops_cli.errors import UsageError
from mlops_cli.experiments.logged_evidence import check_log
from mlops_cli.experiments.recorded_arm import BEFORE, recorded_arm
from mlops_cli.experiments.rollout import begin
from mlops_cli.expressions.tree import Node, ValueType
from mlops_cli.features.expressions import parse
from mlops_cli.serving.rollouts.traffic import Assignment, Traffic
from mlops_cli.targets.base import Deployment, KeepsRollout, Release, Target

_OFTEN = 0.05  # of the rows; a key that so many have in common is no subject
_ONE_PROCESS = (
    "train one of them again in the other's environment; or `deploy.rollout: {strategy: rolling}`; "
    "on Kubernetes deploy.kubernetes.router: gateway runs each in its own image"
)


def asks_for_one(project: Project, place: Target, running: Deployment | None, new: str) -> bool:
    """Whether a version (its digest) is to earn its traffic: another one answers there now."""
    wanted = project.config.deploy.rollout.strategy != "rolling"
    return (
        wanted
        and isinstance(place, KeepsRollout)
        and running is not None
        and running.healthy
        and running.digest != new
    )


def start(work: Work, found: Found, running: Deployment, candidate: Release) -> Found:
    """Begin the rollout from what runs to the candidate; returns what is kept then.

    Raises `UsageError` where both cannot be beside each other, `GateError` where the target is not
    where a model may run, and `EnvironmentFault` with the target's reason; all answered by what
    runs then.
    """
    project, config = work.project, work.project.config.deploy.rollout
    champion = release_of(project, work.tracker, running.digest)
    both = champion.bundle.manifest, candidate.bundle.manifest
    if project.config.deploy.kubernetes.router == "process" or work.name != "kubernetes":
        _hold_to_one_process(both)
        _hold_to_lookups(champion.bundle, candidate.bundle)
    check_log(project, config)
    segment = _segment(config, both)
    _hold_to_inputs(config, both)
    hold_to_residency(project, work.place, work.name, work.progress)
    collect_first(project, work.place, work.name, work.progress)
    said = _differences(both) + _often_missing(config, champion.bundle.profile())
    for line in said + _never_true(segment, champion.bundle, candidate.bundle):
        work.progress.log(line)
    path = work.place.bring_beside(champion, candidate, progress=work.progress)
    state = begin(
        config, (champion.digest, candidate.digest), secrets.token_hex(8), found.now, segment
    )
    before = recorded_arm(
        project, champion.version, both[0], since=state.began - BEFORE, until=state.began
    )
    return work.move(found, state.at(path, project.config.deploy.watch, before))


def _hold_to_one_process(both: tuple[Manifest, Manifest]) -> None:
    old, new = both
    has = {"Python": (old.python, new.python)}
    names = sorted(old.modules.keys() & new.modules.keys())
    has |= {name: (old.modules[name], new.modules[name]) for name in names}
    if other := [f"{name} {a} and {b}" for name, (a, b) in has.items() if a != b]:
        raise UsageError(
            f"champion and candidate cannot share a process: {', '.join(other)}", hint=_ONE_PROCESS
        )
    if (old.task, old.classes) != (new.task, new.classes):
        raise UsageError(
            f"the candidate answers another question: {new.task} {new.classes or ''}, and the "
            f"champion {old.task} {old.classes or ''}",
            hint="deploy it at once: deploy.rollout.strategy: rolling",
        )


def _hold_to_lookups(champion: Bundle, candidate: Bundle) -> None:
    if champion.online() != candidate.online():
        raise UsageError(
            "champion and candidate look up other features (`source: online`): in one process an "
            "event is completed once",
            hint="deploy it at once: deploy.rollout.strategy: rolling",
        )


def _hold_to_inputs(config: RolloutConfig, both: tuple[Manifest, Manifest]) -> None:
    known = _types(both)
    if lost := [name for name in config.sticky if name not in known]:
        raise UsageError(
            f"deploy.rollout.sticky: {lost[0]!r} is an input of neither version",
            hint=f"the inputs: {', '.join(sorted(known))}"[:500],
        )


def _often_missing(config: RolloutConfig, profile: Profile) -> list[str]:
    """What is said of `sticky` inputs that many events lack: those are one key, in one arm."""
    columns = (c for c in profile.columns if c.role == "input" and c.name in config.sticky)
    shares = {c.name: c.missing / max(1, c.count + c.missing) for c in columns}
    return [
        f"warning: deploy.rollout.sticky: {name} is missing in {share:.0%} of the rows that the "
        "champion learned from: all events without it meet one version"
        for name, share in shares.items()
        if share > _OFTEN
    ]


def _segment(config: RolloutConfig, both: tuple[Manifest, Manifest]) -> Node | None:
    if config.segment is None:
        return None
    tree = parse(config.segment, _types(both))
    if tree.type != "boolean":
        raise UsageError(
            f"deploy.rollout.segment is {tree.type}, and has to be true or false",
            hint="such as: segment: origin = 'JFK'",
        )
    return tree


def _never_true(segment: Node | None, *both: Bundle) -> list[str]:
    """What is said of a segment of which no row that either bundle holds is."""
    if segment is None:
        return []
    old, new = (bundle.digest for bundle in both)
    traffic = Traffic(salt="-", champion=old, candidate=new, percent=100, step=0, segment=segment)
    known = {i.name: i for bundle in reversed(both) for i in bundle.manifest.inputs}
    arm_of = Assignment(traffic, list(known.values())).of_event
    rows = [row.inputs for bundle in both for row in bundle.golden()]
    if any(arm_of(b"", row) is not None for row in rows):
        return []
    return [
        f"warning: deploy.rollout.segment is true of none of the {len(rows)} rows that both "
        "bundles hold: the candidate may meet no request"
    ]


def _types(both: tuple[Manifest, Manifest]) -> dict[str, ValueType]:
    return {i.name: i.type for manifest in both for i in manifest.inputs}


def _differences(both: tuple[Manifest, Manifest]) -> list[str]:
    """What is said of inputs that only one of them has: each is answered by what it knows."""
    old, new = ({i.name for i in m.inputs} for m in both)
    said = []
    if new - old:
        said.append(f"the candidate also reads {', '.join(sorted(new - old))}")
    if old - new:
        said.append(f"the candidate does without {', '.join(sorted(old - new))}")
    return [f"{line}; a request may bring the inputs of both" for line in said]
