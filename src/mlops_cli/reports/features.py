"""The page of the features: `reports/features.html`, for a person to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_cli._svg import SHOWN
from mlops_cli._templates import render
from mlops_cli.features.lineage import FeatureEntry, SourceColumn
from mlops_cli.governance.features import FeatureState
from mlops_cli.reports.self_contained import policy

TEMPLATE, STYLES = "reports/features.html.j2", ("reports/evaluation.css.j2",
                                                "reports/features.css.j2")  # fmt: skip
DRAWN = 40  # features whose lineage is drawn: of more nobody sees which line leads where
WIDTH, STEP, TOP = 760, 24, 30
LEFT, RIGHT = 300, 500  # where the lines begin and end


@dataclass(frozen=True, slots=True)
class Node:
    """A text of the picture at a height in pixels; `whole` is the text before it was cut."""

    text: str
    whole: str
    at: float


@dataclass(frozen=True, slots=True)
class Picture:
    """The lineage: columns of tables on the left, features on the right, a path for each use."""

    height: float
    sources: Sequence[Node]
    features: Sequence[Node]
    paths: Sequence[tuple[str, str]]
    """Each path with the class of its line."""


def features_page(
    project: str,
    entries: Sequence[FeatureEntry],
    states: Mapping[str, FeatureState],
    users: Mapping[str, Sequence[str]],
) -> str:
    """The page, self-contained; `states` are of registered features, `users` the models by name."""
    style = "".join(map(render, STYLES))
    kinds: dict[str, int] = {}
    for entry in entries:
        kinds[entry.kind] = kinds.get(entry.kind, 0) + 1
    return render(
        TEMPLATE,
        project=project,
        entries=entries,
        states=states,
        users=users,
        kinds=kinds,
        tables=list(dict.fromkeys(s.table for e in entries for s in e.sources)),
        missing=[s for s in states.values() if s.missing],
        picture=_picture(entries[:DRAWN]),
        drawn=DRAWN,
        width=WIDTH,
        left=LEFT,
        right=RIGHT,
        style=style,
        policy=policy(style),
    )


def _picture(entries: Sequence[FeatureEntry]) -> Picture:
    sources: dict[SourceColumn, None] = {}
    for entry in entries:
        sources |= dict.fromkeys((*entry.sources, *entry.keys))
    height = TOP + STEP * max(len(sources), len(entries), 1)
    left = dict(zip(sources, _heights(len(sources), height), strict=True))
    right = _heights(len(entries), height)
    paths = [
        (_curve(left[source], at), "key" if source in entry.keys else "use")
        for entry, at in zip(entries, right, strict=True)
        for source in dict.fromkeys((*entry.sources, *entry.keys))
    ]
    return Picture(
        height,
        [_node(f"{_file(s.table)}: {s.column}", at) for s, at in left.items()],
        [_node(entry.name, at) for entry, at in zip(entries, right, strict=True)],
        paths,
    )


def _heights(count: int, height: float) -> list[float]:
    """The middles of `count` lines, spread over the height below the heading."""
    step = (height - TOP) / max(count, 1)
    return [TOP + step * (i + 0.5) for i in range(count)]


def _curve(start: float, end: float) -> str:
    middle = (LEFT + RIGHT) / 2
    return f"M{LEFT} {start:.1f}C{middle} {start:.1f} {middle} {end:.1f} {RIGHT} {end:.1f}"


def _node(text: str, at: float) -> Node:
    most = SHOWN + 14
    return Node(text if len(text) <= most else f"{text[: most - 1]}…", text, at)


def _file(table: str) -> str:
    return table.rpartition("/")[2]
