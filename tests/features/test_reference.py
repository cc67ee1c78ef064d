"""The page of expressions says what the code does."""

from __future__ import annotations

from pathlib import Path

from mlops_cli.features.operations import FUNCTIONS, OPERATIONS
from mlops_cli.features.reference import expressions_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "expressions.md"


def test_the_page_is_made_from_the_table():
    assert PAGE.read_text(encoding="utf-8") == expressions_page(), (
        "write it again: python -c 'from mlops_cli.features.reference import expressions_page; "
        'print(expressions_page(), end="")\' > docs/reference/expressions.md'
    )


def test_every_function_means_an_operation():
    assert set(FUNCTIONS.values()) <= set(OPERATIONS)
