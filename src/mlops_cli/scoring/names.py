"""What the columns of a prediction are called in a file that has columns of its own."""

from __future__ import annotations

from collections.abc import Iterable


def free_names(wanted: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """Each wanted name with the one that it gets: `predicted_NAME` where a column has it.

    Names that differ in their case only are the same, as SQL has it.
    """
    used = {name.lower() for name in taken}
    given: dict[str, str] = {}
    for name in wanted:
        free = name
        while free.lower() in used:
            free = f"predicted_{free}"
        used.add(free.lower())
        given[name] = free
    return given
