"""Sending what waits: each change to each sink once, in order, in a bounded time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from mlops_cli.alerts.base import Delivery, Message
from mlops_cli.alerts.history import (
    Change,
    History,
    Settled,
    append,
    changing,
    read_history,
    sending,
)
from mlops_cli.alerts.sinks import names_of, open_sink
from mlops_cli.alerts.sinks.base import Sink, SinkFault
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault

SECONDS = 20.0  # for one message, however slowly a sink answers
_SILENCED = "silenced"


def open_sinks(project: Project) -> dict[str, Sink]:
    """The sinks of `monitor.sinks` by name."""
    asked = project.config.monitor.sinks
    name = project.config.project
    return {
        called: open_sink(sink, project=name)
        for called, sink in zip(names_of(asked), asked, strict=True)
    }


def deliver(project: Project, now: datetime) -> tuple[list[Delivery], list[Delivery]]:
    """Send what waits; returns what was taken and what still waits.

    Of a sink that fails nothing more is tried in this run, so that what comes first arrives first;
    a message that it refuses holds up those of its own incident alone. Where another command is
    sending, all waits.
    """
    if not any(waiting(project, now)):
        return [], []
    try:
        with sending(project.root):
            history = read_history(project.root)
            found = [
                delivery
                for name, sink in open_sinks(project).items()
                for delivery in _empty(project, history, name, sink=sink, now=now)
            ]
    except EnvironmentFault:
        return [], list(waiting(project, now, why="another command is sending"))
    sent = [delivery for delivery in found if delivery.fault is None]
    return sent, [delivery for delivery in found if delivery.fault is not None]


def waiting(project: Project, now: datetime, *, why: str | None = None) -> Iterator[Delivery]:
    """What each sink has yet to take."""
    history = read_history(project.root)
    for name in names_of(project.config.monitor.sinks):
        for change in history.waiting(name):
            silenced = history.silence_of(change.message, now)
            yield _delivery(change, name, _SILENCED if silenced else why or "not sent yet")


def _empty(
    project: Project, history: History, name: str, *, sink: Sink, now: datetime
) -> list[Delivery]:
    """Send what waits for one sink, and write down what it took as soon as it did."""
    found: dict[str, Delivery] = {}
    held: dict[str, tuple[str, str]] = {}  # by key: the change that waits, and why
    away: str | None = None
    for change in history.waiting(name):
        key, state = change.message.key, change.message.state
        if state == "resolved" and key in held and held[key][1] == _SILENCED:
            first, _ = held.pop(key)
            del found[first]
            both = [Settled(each, name, now, silenced=True) for each in (first, change.id)]
            _settle(project, both)
            continue
        fault = away
        if key in held:
            fault = held[key][1]
        elif state == "firing" and history.silence_of(change.message, now):
            fault = _SILENCED
        elif away is None and (failed := _tried(sink, change)):
            fault = str(failed)
            away = None if failed.refused else fault
        if fault is None:
            _settle(project, [Settled(change.id, name, now)])
        else:
            held.setdefault(key, (change.id, fault))
        found[change.id] = _delivery(change, name, fault)
    return list(found.values())


def _tried(sink: Sink, change: Change) -> SinkFault | None:
    try:
        bounded(sink, change.message, change.id)
    except SinkFault as e:
        return e
    return None


def _settle(project: Project, events: Sequence[Settled]) -> None:
    with changing(project.root):
        append(project.root, events)


def _delivery(change: Change, sink: str, fault: str | None) -> Delivery:
    return Delivery(change.message.key, change.message.state, sink, fault)


def bounded(sink: Sink, message: Message, number: str) -> None:
    """Send a message, and give up on a sink that takes longer than `SECONDS`.

    A server that answers a byte now and then keeps every single wait short. What it still takes
    afterwards is sent again: the number, and the key, tell it so. Raises `SinkFault`.
    """
    answers: queue.Queue[BaseException | None] = queue.Queue()
    threading.Thread(
        target=_answer, args=(answers, lambda: sink.send(message, number)), daemon=True
    ).start()
    try:
        fault = answers.get(timeout=SECONDS)
    except queue.Empty:
        raise SinkFault(f"it took longer than {SECONDS:g} s") from None
    if fault is not None:
        raise fault


def _answer(answers: queue.Queue[BaseException | None], send: Callable[[], None]) -> None:
    try:
        send()
    except BaseException as e:  # noqa: BLE001  it is raised again where it is waited for
        answers.put(e)
    else:
        answers.put(None)
