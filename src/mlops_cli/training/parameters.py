"""The names of a library's parameters that a user may set."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from mlops_cli.errors import UsageError

_ROUNDS = ("n_estimators", "num_boost_round", "num_iterations")  # how libraries call them


def check_names(library: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise `UsageError` for a name that is not among `known`, with the nearest that is."""
    for name in names:
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        if name in _ROUNDS:
            near = ["tune.rounds"]
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
        raise UsageError(
            f"mlops.yaml: {name!r} is no parameter of {library} that may be set", hint=hint
        )
