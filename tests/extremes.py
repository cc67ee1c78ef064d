"""Values that arithmetic, text and calendars stumble over, by the types of a row expression."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any

import pyarrow as pa

ARROW = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "text": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
INTEGERS = [
    0,
    1,
    -1,
    2,
    3,
    -5,
    7,
    28,
    29,
    2**31,
    2**32,
    2**32 - 1,
    -(2**32),
    -(2**32) - 1,
    1 - 2**32,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    1900,
    2000,
]
FLOATS = [
    *(0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999999999999994, 4503599627370497.5, 2.675),
    *(math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 9.3e18, 2.0**63, -(2.0**63)),
    *(3.4028234663852886e38, 3.4028235e38, 3.5e38, 1e-46),
]
TEXTS = [
    *("", " ", "a", "A%_b", "\u00e9", "e\u0301", "\u00dfT", "\u0130", "\u03a3\u03a3", "\u1f80"),
    *(" \u00a0x\u3000", "\t", "12", "+7", " -3 ", "1e3", "1.5", ".5", "5.", "1_0", "0x1", "nan"),
    *("inf", "9223372036854775808", "1e400", "00000000000000000000012", "true", "T", "yes", "No"),
    *("2012-02-29", "2013-02-29", "0000-01-01", "1969-12-31", "2013-1-2", "2013-01-02 03:04"),
    *(
        "2013-01-02T03:04:05.123456",
        "2013-01-02 24:00:00",
        "2013-01-02\n",
        "\U0001f468\u200d\U0001f469",
    ),
]
DATES = [date(1, 1, 1), date(1899, 12, 31), date(1969, 12, 31), date(1970, 1, 1)]
DATES += (
    date(2000, 2, 29),
    date(2012, 2, 29),
    date(2020, 12, 31),
    date(2021, 1, 3),
    date(9999, 12, 31),
)
TIMES = [datetime(d.year, d.month, d.day) for d in DATES] + [
    datetime(1969, 12, 31, 23, 59, 59, 500000),
    datetime(1582, 10, 10, 1, 2, 3, 1),
    datetime(2013, 1, 1, 5, 0, 0, 100),
    datetime(9999, 12, 31, 23, 59, 59, 999999),
]
EXTREMES: dict[str, list[Any]] = {
    "boolean": [False, True],
    "integer": INTEGERS,
    "float": FLOATS,
    "text": TEXTS,
    "date": DATES,
    "timestamp": TIMES,
}
