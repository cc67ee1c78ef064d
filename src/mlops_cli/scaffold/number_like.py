"""Texts that look like numbers: amounts with a sign of currency, a decimal comma, a unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_cli.tables.base import Engine, literal

_HEAD = 1000  # rows that tell what a text looks like
_NEARLY_ALL = 0.95
# A number with a sign of currency or percent, thousands or a decimal comma, or a unit after a gap.
_NUMBER = r"\d[\d.,'’\s]*"
_CODE = r"0\d+"
_NUMBER_LIKE = rf"[-+]?\s*([$€£¥]\s*)?[-+]?{_NUMBER}\s*(%|[$€£¥]|\s[A-Za-zµ°²³/]{{1,4}})?"


def number_like(
    engine: Engine, relation: str, texts: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Of `texts` (SQL over the relation, by name) those that look like numbers, with an example.

    None are where one begins with a zero, as codes do: postal ones, numbers of telephones.
    """
    if not texts:
        return
    cells = ", ".join(
        f"count({text}), count_if({_fits(text)}), max({text}) filter ({_fits(text)}), "
        f"count_if(regexp_full_match({text}, {literal(_CODE)}))"
        for text in texts.values()
    )
    head = f"(select * from {relation} limit {_HEAD})"
    found = iter(engine.rows(f"select {cells} from {head}")[0])
    for name, present, fitting, example, codes in zip(
        texts, found, found, found, found, strict=False
    ):
        if present and not codes and fitting >= _NEARLY_ALL * present:
            yield name, str(example)[:40]


def _fits(text: str) -> str:
    return f"regexp_full_match({text}, {literal(_NUMBER_LIKE)})"
