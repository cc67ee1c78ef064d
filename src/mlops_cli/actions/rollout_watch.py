"""After a rollout: what came is held to what was before, and goes again where it is worse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from mlops_cli.actions import load_command
from mlops_cli.actions.rollout_steps import Found, Work
from mlops_cli.config.sections.rollout import LABEL, RolloutConfig, WatchConfig
from mlops_cli.experiments import counts
from mlops_cli.experiments.evidence import CHAMPION, Evidence, LoggedArm, Moments, together
from mlops_cli.experiments.judge import Verdict
from mlops_cli.experiments.logged_evidence import read_logged
from mlops_cli.experiments.rollout import WATCHED, State, watch_no_more
from mlops_cli.experiments.watch import BeforeAfter, watch


def judged(work: Work, found: Found, state: State, *, collect: bool) -> Verdict:
    """Whether what came is surely worse than what was before, by the rules of `deploy.watch`."""
    asked = WatchConfig.model_validate(state.watch)
    champion, _ = counts.arms(work.seen_with(found))
    before = together(c for c in champion if c.step != WATCHED)
    now = together(c for c in champion if c.step == WATCHED)
    task = work.manifest(state).task
    both = BeforeAfter(before, now, task)
    if asked.label_rules:
        if collect:
            load_command("collect")(
                work.project, target=work.name, closing=True, progress=work.progress
            )
        both = replace(both, labels=_labels(work, state, asked))
    return watch(both, asked, state.asked)


def is_over(work: Work, found: Found, state: State) -> bool:
    """Whether the time is over, or another version has come since."""
    lasts: timedelta = WatchConfig.model_validate(state.watch).for_
    running = work.place.status()
    other = running is not None and running.digest != state.candidate
    return other or found.now - state.stepped >= lasts


def end(work: Work, found: Found, state: State) -> Found:
    """Watch no more; no traffic moves."""
    return work.keep(found, watch_no_more(state))


def _labels(work: Work, state: State, asked: WatchConfig) -> tuple[Moments, Moments] | None:
    """The losses of what was before and of what came, where labels of both are here."""
    logged = read_logged(
        work.project,
        state.salt,
        _by(state.asked, asked),
        work.manifest(state),
        evidence=Evidence((), ()),
        step=WATCHED,
        since=state.began,
    )
    own = [x for x in logged if x.arm == CHAMPION]
    before = _added(x for x in own if x.step != WATCHED)
    now = _added(x for x in own if x.step == WATCHED)
    return (before, now) if before.count and now.count else None


def _by(config: RolloutConfig, asked: WatchConfig) -> RolloutConfig:
    judge = config.judge.model_copy(update={"rules": asked.rules})
    return config.model_copy(update={"judge": judge, "sticky": ()})


def _added(arms: Iterable[LoggedArm]) -> Moments:
    found = [x.metrics[LABEL] for x in arms if LABEL in x.metrics]
    return Moments(
        sum(m.count for m in found), sum(m.sum for m in found), sum(m.squares for m in found)
    )
