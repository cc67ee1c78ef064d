"""How fast the tool is, each figure beside what it stands for: `python -m benchmarks [LINE...]`."""

from __future__ import annotations

LINES = (
    "start",
    "nothing",
    "stage",
    "flights",
    "flights_busy",
    "flights_tenfold",
    "million",
    "memory",
    "wide",
    "validate",
    "drift",
    "server",
    "score",
    "waiting",
)
