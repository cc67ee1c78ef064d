"""Logs of an experiment: customers (the input `a`), each answered by one of two versions."""

from __future__ import annotations

from typing import Any

import numpy as np

CHAMPION = "a" * 12
CANDIDATE = "{candidate}"  # the bundle's own version, which the project puts in its place
CONFIG = """project: p
task: binary
data: {table: t.csv, target: y, id: {event: [order]}}
deploy: {rollout: {strategy: ab, steps: [40], sticky: [a]}}
"""
Line = dict[str, Any]


def line(at: str, number: int, customer: int, *, candidate: bool) -> Line:
    """A row of the log: request r7 (order o7) of customer 3."""
    return {
        "time": at,
        "request_id": f"r{number}",
        "row": 0,
        "id": {"order": f"o{number}"},
        "model": "p",
        "version": CANDIDATE if candidate else CHAMPION,
        "variant": "candidate" if candidate else "champion",
        "inputs": {"a": customer, "city": "Oslo" if customer % 3 else "Bergen"},
        "prediction": {"probability": 0.6 if candidate else 0.5, "label": True},
        "ms": 1.0 + customer % 7,
    }


def arm_of(customer: int) -> bool:
    """Whether the customer meets the candidate: four in ten do."""
    return customer * 7919 % 100 < 40


def experiment(requests: int = 1200, customers: int = 300) -> list[Line]:
    """1,200 requests in the first half of March, after 300 in February that came before."""
    found = [
        line(f"2026-02-{1 + i % 20:02}T08:00:00Z", 10_000 + i, i % customers, candidate=False)
        for i in range(300)
    ]
    rng = np.random.default_rng(3)
    for i in range(requests):
        customer = int(rng.integers(customers))
        at = f"2026-03-{1 + i * 14 // requests:02}T{i % 24:02}:00:00Z"
        found.append(line(at, i, customer, candidate=arm_of(customer)))
    return found
