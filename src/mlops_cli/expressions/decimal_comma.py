"""Numbers with a decimal comma, as much of Europe writes them: `12,5`, `1.234,5`, `1 234,5`.

`1.234` is 1234 there and `12.5` is no number: points and gaps part thousands, and nothing else.
"""

from __future__ import annotations

import re

DECIMAL_COMMA = "decimal_comma"
"""The format of a column of such numbers."""
GAPS = ". \xa0\u202f"
"""What may part thousands."""
_THOUSANDS = "|".join(rf"\d{{1,3}}(?:{re.escape(gap)}\d{{3}})+" for gap in GAPS)
PATTERN = rf"[+-]?(?:(?:\d+|{_THOUSANDS})(?:,\d*)?|,\d+)(?:[eE][+-]?\d+)?"
"""The regular expression (Python's and RE2's) of such a number."""
_FITS = re.compile(PATTERN, re.ASCII).fullmatch
_POINTS = str.maketrans({**dict.fromkeys(GAPS), ",": "."})


def with_point(text: str) -> str | None:
    """The same number with a decimal point and nothing between thousands; None for no number."""
    return text.translate(_POINTS) if _FITS(text) else None
