"""Tables that are wrong, or look wrong, each by one fault."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

N = 300
Cells = dict[str, Sequence[Any]]


@dataclass(frozen=True)
class Bad:
    """A file and how `init` is asked to take it."""

    name: str
    content: bytes
    suffix: str = "csv"
    target: str = "y"
    options: tuple[str, ...] = ()


def columns(**changed: Sequence[Any]) -> Cells:
    """A number, a price, a text, and a target that hangs on the first."""
    plain: Cells = {
        "a": [i % 7 for i in range(N)],
        "b": [(i * 37 % 101) / 8 for i in range(N)],
        "c": ["xyz"[i % 3] for i in range(N)],
        "y": [int(i % 7 + i * 31 % 13 > 9) for i in range(N)],
    }
    return {**plain, **changed}


def as_csv(cells: Mapping[str, Sequence[Any]], **form: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", **form)
    writer.writerow(cells)
    writer.writerows(zip(*cells.values(), strict=True))
    return text.getvalue()


def as_parquet(cells: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(dict(cells)), file)
    return file.getvalue()


def _table(name: str, *options: str, target: str = "y", **changed: Sequence[Any]) -> Bad:
    return Bad(name, as_csv(columns(**changed)).encode(), target=target, options=options)


def _parquet(name: str, *options: str, **changed: Any) -> Bad:
    return Bad(name, as_parquet(columns(**changed)), "parquet", options=options)


def _first(n: int) -> bytes:
    cells = columns(y=[i % 2 for i in range(N)])
    return as_csv({name: values[:n] for name, values in cells.items()}).encode()


def _hours(start: datetime, form: str = "%Y-%m-%dT%H:%M:%S", step: int = 1) -> list[str]:
    return [(start + timedelta(hours=i * step % N)).strftime(form) for i in range(N)]


_PLAIN = as_csv(columns())
_LINES = _PLAIN.splitlines(keepends=True)
_WHOLE = as_parquet(columns())
_START = datetime(2024, 1, 1)
_TIME = ("--time", "t")

REFUSED = (
    Bad("empty", b""),
    Bad("header-only", b"a,b,c,y\n"),
    Bad("empty-parquet", b"", "parquet"),
    Bad("parquet-without-rows", as_parquet({"a": pa.array([], pa.int64()), "y": []}), "parquet"),
    Bad("truncated-parquet", _WHOLE[:2000], "parquet"),
    Bad("beheaded-parquet", _WHOLE[500:], "parquet"),
    Bad("csv-called-parquet", _PLAIN.encode(), "parquet"),
    Bad("parquet-called-csv", _WHOLE),
    Bad("truncated-gzip", gzip.compress(_PLAIN.encode())[:300], "csv.gz"),
    Bad("csv-called-gzip", _PLAIN.encode(), "csv.gz"),
    Bad("unknown-ending", _PLAIN.encode(), "xlsx"),
    Bad("latin-1", _PLAIN.replace("x", "ä").encode("latin-1")),
    Bad("latin-1-far-down", (_PLAIN + "1,1,x,1\n" * 40_000).encode() + b"1,1,\xe4,1\n"),
    Bad("utf-16", _PLAIN.encode("utf-16")),
    Bad("broken-line", "".join([*_LINES[:5], "1,2\n", *_LINES[5:]]).encode()),
    Bad("open-quote", (_PLAIN + '5,1,"never ends,1\n').encode()),
    Bad("mixed-line-ends", (_PLAIN + "5,1,x,1\r\n").encode()),
    Bad("no-such-target", _PLAIN.encode(), target="yy"),
    Bad("bad-expression", _PLAIN.encode(), target="late = aa >"),
    Bad("expression-of-many-rows", _PLAIN.encode(), target="late = avg(a) > 1"),
    _table("all-null-target", y=[""] * N),
    _table("one-class", y=[1] * N),
    _table("too-many-classes", y=[f"u{i}" for i in range(N)]),
    _table("amounts-as-target", y=[f"${1000 + i % 299:,}.50" for i in range(N)]),
    _parquet("plain-numbers-as-text-target", y=[f"{i}.5" for i in range(N)]),
    _table("date-as-target", y=_hours(_START)),
    Bad("two-rows", _first(2)),
    Bad("one-column", as_csv({"y": columns()["y"]}).encode()),
    Bad("constant-columns", as_csv({"a": [1] * N, "y": columns()["y"]}).encode()),
    Bad("duplicate-columns", b"a,a,y\n" + b"".join(b"%d,1,%d\n" % (i, i % 2) for i in range(N))),
    Bad("columns-that-differ-in-case", b"a,A,y\n" + b"1,2,0\n2,1,1\n" * 99),
    Bad("reserved-name", as_csv({**columns(), "__row__": range(N)}).encode()),
    Bad("only-nested", as_parquet({"s": [{"u": 1}] * N, "y": [[1]] * N}), "parquet"),
    _parquet("nested-target", y=[[i] for i in range(N)]),
    _table("time-is-no-time", *_TIME, t=range(N)),
    _table("time-all-null", *_TIME, t=[""] * N),
    Bad("no-such-time", _PLAIN.encode(), options=_TIME),
)

TAKEN = (
    Bad("byte-order-mark", b"\xef\xbb\xbf" + _PLAIN.encode()),
    Bad("ten-rows", _first(10)),
    _table("rare-class", y=["k0" if i % 2 else "k1" for i in range(N - 1)] + ["k2"]),
    Bad(
        "ten-thousand-categories",
        as_csv(
            {
                "k": [f"k{i % 10_000}" for i in range(12_000)],
                "b": [i % 9 for i in range(12_000)],
                "y": [int(i % 9 + i * 31 % 13 > 10) for i in range(12_000)],
            }
        ).encode(),
    ),
    Bad(
        "words-of-sql",
        as_csv(
            dict(zip(("select", "from", "null", "y"), columns().values(), strict=True))
        ).encode(),
    ),
    Bad(
        "odd-names",
        as_csv(
            dict(zip(("größe in m", 'b "q"', "c d'", "y"), columns().values(), strict=True))
        ).encode(),
    ),
    Bad(
        "odd-target",
        as_csv(
            dict(zip(("a", "b", "c", 'das "Ziel" é'), columns().values(), strict=True))
        ).encode(),
        target='das "Ziel" é',
    ),
    _table("name-missing", **{"": [i % 5 for i in range(N)]}),
    _table("time-with-zones", t=[f"{t}+0{i % 3}:00" for i, t in enumerate(_hours(_START))]),
    _parquet(
        "time-in-nanoseconds-with-zone",
        *_TIME,
        t=pa.array(
            [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(N)],
            pa.timestamp("ns", "America/New_York"),
        ),
    ),
    _table("time-before-1970", *_TIME, t=_hours(datetime(1931, 2, 3))),
    _table("time-with-nulls", *_TIME, t=["", *_hours(_START)[1:]]),
    _table("time-out-of-order", *_TIME, t=_hours(_START, step=37)),
    _table("time-constant", *_TIME, t=["2024-01-01T00:00:00"] * N),
    _table(
        "infinities", b=["inf" if i % 50 == 0 else "-inf" if i % 50 == 1 else i for i in range(N)]
    ),
    _parquet("infinities-in-parquet", b=[float("inf") if i % 50 == 0 else i / 3 for i in range(N)]),
    _table("infinite-target", y=["inf" if i == 5 else i * 1.5 for i in range(N)]),
    _table("integers-beyond-2-53", a=[2**53 + 1 + i % 7 for i in range(N)]),
    _table("integers-beyond-2-63", a=[2**63 + i % 7 for i in range(N)]),
    _parquet("decimals", b=pa.array([Decimal(i) / 8 for i in range(N)], pa.decimal128(38, 10))),
    _parquet("nested-columns", s=[{"u": i} for i in range(N)], l=[[i] for i in range(N)]),
    _table("percent-and-currency", b=[f"{i % 100}%" if i % 40 else "unknown" for i in range(N)]),
    _table("long-text", c=["x" * 140_000 if i % 100 == 0 else "y" for i in range(N)]),
    _table("decimal-comma-as-target", y=[f"{i},5" for i in range(N)]),
    _table("decimal-comma", b=[f"{i % 90},{i % 7}" for i in range(N)]),
    Bad("empty-and-null", as_csv(columns(c=["x", "", None] * 100), quoting=csv.QUOTE_ALL).encode()),
)
