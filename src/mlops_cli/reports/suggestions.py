"""Suggested features as definitions that a person reads and prunes: YAML as in `mlops.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlops_cli._json import pretty_json
from mlops_cli.bundling.candidates import Found
from mlops_cli.config.sections.features import AggregateConfig
from mlops_cli.evaluation.worth import Worth


def suggestions(found: Sequence[Found], together: Worth | None, looked: int, rows: int) -> str:
    """The file: what to add under `features`, each with its evidence."""
    return "\n".join([*_head(together, looked, rows), *_rows(found), *_aggregates(found)]) + "\n"


def _head(together: Worth | None, looked: int, rows: int) -> Iterator[str]:
    yield f"# Written by `mlops features suggest`: of {looked} candidates those by which a model"
    yield f"# of {rows:,} rows surely costs less on folds of them: log loss, or squared error."
    yield "# Copy what makes sense to `features` of mlops.yaml: only you know what a ratio means,"
    yield "# and whether a request knows it."
    if together is not None:
        said = f"{together.value:.3g} ({together.low:.3g} to {together.high:.3g})"
        sure = "surely less" if together.low > 0 else "which is not surely less"
        yield f"# With all of them a row of the validation part costs {said} less: {sure}."


def _rows(found: Sequence[Found]) -> Iterator[str]:
    told = [f for f in found if isinstance(f.candidate.definition, str)]
    yield "row:" if told else "row: {}"
    for f in told:
        name, text = pretty_json(f.candidate.name).strip(), pretty_json(f.candidate.definition)
        yield f"  {name}: {text.strip()}  # {_between(f.worth)}"


def _aggregates(found: Sequence[Found]) -> Iterator[str]:
    told = [(f, f.candidate.definition) for f in found]
    aggregates = [(f, d) for f, d in told if isinstance(d, AggregateConfig)]
    yield "aggregates:" if aggregates else "aggregates: []"
    for f, definition in aggregates:
        said = definition.model_dump(mode="json", exclude_defaults=True)
        inner = ", ".join(f"{key}: {_flow(value)}" for key, value in said.items())
        yield f"  - {{{inner}}}  # {_between(f.worth)}"


def _flow(value: object) -> str:
    return " ".join(pretty_json(value).split())


def _between(worth: Worth) -> str:
    return f"{worth.value:.3g} a row ({worth.low:.3g} to {worth.high:.3g})"
