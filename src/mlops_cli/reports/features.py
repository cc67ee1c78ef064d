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
STEP, TOP = 24, 30
LETTER, BETWEEN = 7.2, 110  # about a letter's width, and the lines' between both sides
HEADINGS = ("column of a table", "feature")


@dataclass(frozen=True, slots=True)
class Node:
    """A text of the picture at a height in pixels; `whole` is the text before it was cut."""

    text: str
    whole: str
    at: float


@dataclass(frozen=True, slots=True)
class Picture:
    """The lineage: columns of tables on the left, features on the right, a path for each use."""

    width: int
    height: float
    left: int
    right: int
    """Where the lines begin and end."""
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
    picture = _picture(entries[:DRAWN])
    style = "".join(map(render, STYLES))
    style += f".picture {{ min-width: {0.9 * picture.width:.0f}px; "  # a phone's, for short names
    style += f"max-width: {1.4 * picture.width:.0f}px; }}"
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
        picture=picture,
        headings=HEADINGS,
        drawn=DRAWN,
        style=style,
        policy=policy(style),
    )


def _picture(entries: Sequence[FeatureEntry]) -> Picture:
    sources: dict[SourceColumn, None] = {}
    for entry in entries:
        sources |= dict.fromkeys((*entry.sources, *entry.keys))
    height = TOP + STEP * max(len(sources), len(entries), 1)
    begins = dict(zip(sources, _heights(len(sources), height), strict=True))
    ends = _heights(len(entries), height)
    columns = [_node(f"{_file(s.table)}: {s.column}", at) for s, at in begins.items()]
    features = [_node(entry.name, at) for entry, at in zip(entries, ends, strict=True)]
    left = 16 + _width(HEADINGS[0], columns)
    right = left + BETWEEN
    paths = [
        (_curve(left, begins[source], right, at), "key" if source in entry.keys else "use")
        for entry, at in zip(entries, ends, strict=True)
        for source in dict.fromkeys((*entry.sources, *entry.keys))
    ]
    width = right + 16 + _width(HEADINGS[1], features)
    return Picture(width, height, left, right, columns, features, paths)


def _width(heading: str, nodes: Sequence[Node]) -> int:
    return round(LETTER * max(len(text) for text in (heading, *(n.text for n in nodes))))


def _heights(count: int, height: float) -> list[float]:
    """The middles of `count` lines, spread over the height below the heading."""
    step = (height - TOP) / max(count, 1)
    return [TOP + step * (i + 0.5) for i in range(count)]


def _curve(left: int, start: float, right: int, end: float) -> str:
    middle = (left + right) / 2
    return f"M{left} {start:.1f}C{middle} {start:.1f} {middle} {end:.1f} {right} {end:.1f}"


def _node(text: str, at: float) -> Node:
    most = SHOWN + 14
    return Node(text if len(text) <= most else f"{text[: most - 1]}…", text, at)


def _file(table: str) -> str:
    return table.rpartition("/")[2]
