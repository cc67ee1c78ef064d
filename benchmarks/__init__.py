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
    "estimated",
    "collect",
    "monitor",
    "monitor_memory",
    "server",
    "server_others",
    "server_alone",
    "server_list",
    "server_log",
    "server_rollout",
    "server_overload",
    "server_workers",
    "server_memory",
    "server_start",
    "score",
    "evaluation",
    "waiting",
)
