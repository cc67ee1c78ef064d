"""How fast requests were answered, and how many the model failed: by the minute, and the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops_cli.monitoring.collected.traffic import SHADOW, Selection
from mlops_cli.tables.base import Engine

QUANTILES: Mapping[str, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
NAMES = (*QUANTILES, "mean")


@dataclass(frozen=True, slots=True)
class Speed:
    """Of the requests of a minute, or of a window: `latency` in milliseconds, by `QUANTILES` and
    as `mean`; `errors` is the share (0 to 1) that the model failed."""

    requests: int
    errors: float
    latency: Mapping[str, float]


def speeds(engine: Engine, rows: Selection) -> tuple[Speed | None, dict[datetime, Speed]]:
    """The speed of a window, and of each minute of it (UTC) that had a request.

    A request counts once, by its first row; what a shadow was asked is none. None where nothing
    was asked.
    """
    wanted = ", ".join(str(q) for q in QUANTILES.values())
    found = engine.rows(
        f"select date_trunc('minute', time) as minute_of, count(*), count(error) / count(*), "
        f"case when count(ms) > 0 then list_append(quantile_cont(ms, [{wanted}]), avg(ms)) end "
        f"from {rows.sql} where row = 0 and variant <> '{SHADOW}' "
        "group by grouping sets ((minute_of), ()) order by minute_of"
    )
    minutes: dict[datetime, Speed] = {}
    whole = None
    for at, requests, errors, latency in found:
        if not requests:
            continue
        one = Speed(requests, errors, dict(zip(NAMES, latency or (), strict=False)))
        if at is None:
            whole = one
        else:
            minutes[at.replace(tzinfo=UTC)] = one
    return whole, minutes
