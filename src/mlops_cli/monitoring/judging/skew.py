"""Training/serving skew: inputs as they were logged beside what featurize makes of the same events.

Where an input is joined, the caller of the service found its value, and featurize finds it again,
by the event's time. What differs between the two was never what the model learned from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from scipy.special import ndtri

from mlops_cli.bundle.manifest import Input, Manifest
from mlops_cli.bundle.plan import ID
from mlops_cli.config.paths import FEATURES_TABLE
from mlops_cli.monitoring.judging.quality import wilson
from mlops_cli.tables.base import Engine, literal, quote

MATCHED = 30  # events below which nothing is told
SKEWED = 0.01  # of the events that surely differ
CLOSE = 1e-6  # of a number, which may have gone through text


def skew_of(
    engine: Engine, root: Path, manifest: Manifest, rows: str
) -> Mapping[str, float] | None:
    """How often the joined inputs of a window's rows differ from featurize's, by column.

    `rows` is SQL with each input in its type and `__id__`, the JSON of the event's ids. The keys
    are the columns (shares of 0 to 1), `rows` (matched events) and `skewed` (1 or 0: whether a
    column surely differs in more than 1 %). None where no input is joined, no table of features is
    here, or fewer than 30 of its events are among the rows.
    """
    joined = [i for i in manifest.inputs if i.source != "event"]
    file = root / FEATURES_TABLE
    if not joined or not manifest.id or not file.is_file():
        return None
    source = f"read_parquet({literal(str(file))})"
    here = {row[0] for row in engine.rows(f"describe select * from {source}")}
    keys = [name for name in manifest.id if ID + name in here]
    if len(keys) < len(manifest.id) or not {i.name for i in joined} <= here:
        return None
    differs = ", ".join(f"count(*) filter ({_differs(i)})" for i in joined)
    same = " and ".join(
        f"json_extract_string(r.__id__, {literal(f'$.{quote(k)}')}) = "
        f"cast(f.{quote(ID + k)} as varchar)"
        for k in keys
    )
    ((n, *counts),) = engine.rows(
        f"select count(*), {differs} from {rows} r join {source} f on {same}"
    )
    return _figures(joined, counts, n) if n >= MATCHED else None


def _figures(joined: Sequence[Input], counts: Sequence[int], n: int) -> dict[str, float]:
    z = float(ndtri(1 - 0.05 / (2 * len(joined))))
    found = {i.name: wilson(count, n, z) for i, count in zip(joined, counts, strict=True)}
    skewed = any(share.low > SKEWED for share in found.values())
    shares = {name: round(share.value, 6) for name, share in found.items()}
    return {"skewed": float(skewed), "rows": float(n)} | shares


def _differs(i: Input) -> str:
    logged, made = f"r.{quote(i.name)}", f"f.{quote(i.name)}"
    if i.type != "float":
        return f"cast({logged} as varchar) is distinct from cast({made} as varchar)"
    near = f"abs({logged} - {made}) <= {CLOSE} * greatest(abs({made}), 1)"
    return f"not coalesce({near}, {logged} is null and {made} is null)"
