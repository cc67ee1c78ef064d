"""The contract of one table: `contracts/NAME.yaml`, checked once, frozen."""

from __future__ import annotations

import difflib
import math
import re
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from mlops_cli.config.document import read_project_yaml
from mlops_cli.config.project import Project
from mlops_cli.config.schema import SCHEMA
from mlops_cli.config.sections.base import Duration
from mlops_cli.contracts.table_rules import (
    Distribution,
    ForeignKey,
    Outliers,
    Part,
    Query,
    RowCounts,
    Shares,
)
from mlops_cli.errors import UsageError
from mlops_cli.expressions.tree import ValueType
from mlops_cli.expressions.values import check_form, to_timestamp
from mlops_cli.tables.base import ColumnForm

# Python's and RE2's regular expressions agree but for what RE2 leaves out.
_NOT_IN_RE2 = re.compile(r"\(\?(?:[=!>(]|<[=!])|\\[1-9]|\(\?P=|[*+?}]\+|\\Z")
_NOT_IN_PYTHON = re.compile(r"\[:\^?\w+:\]")
Compatibility = Literal[
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
    "NONE",
]
_HAS_RANGE = ("integer", "float", "date", "timestamp")
_HAS_CATEGORIES = ("integer", "text")
_HAS_CONSENT = ("boolean", "integer", "text")


def _moment(value: Any) -> Any:
    # YAML reads an unquoted 2013-01-01 as a date; the contract keeps ISO 8601 text.
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat()
    return value.isoformat() if isinstance(value, date) else value


Bound = Annotated[StrictInt | StrictFloat | StrictStr, BeforeValidator(_moment)]


class ColumnContract(Part):
    """What every value of a column must be. A NaN counts as null, and null breaks no other rule."""

    type: ValueType
    nullable: StrictBool = Field(False, description="whether values may be missing")
    min: Bound | None = Field(None, description="smallest value; dates as ISO 8601 text, in UTC")
    max: Bound | None = Field(None, description="greatest value; dates as ISO 8601 text, in UTC")
    categories: tuple[StrictInt | StrictStr, ...] | None = Field(
        None, min_length=1, description="the only values; text or integer columns"
    )
    pattern: StrictStr | None = Field(
        None, description="a regular expression (RE2) that the whole text matches"
    )
    unique: StrictBool = Field(False, description="whether no value may occur twice")
    outliers: Outliers | None = Field(
        None, description="values far outside the others of the table; of numbers"
    )
    missing: tuple[StrictStr, ...] = Field(
        (), description="texts that stand for a missing value, such as NA in a column of text"
    )
    format: StrictStr | None = Field(
        None,
        description="of dates and timestamps that are not ISO 8601: strptime's codes, such as "
        "%m/%d/%Y, or epoch_s, epoch_ms; of numbers that have a decimal comma: decimal_comma",
    )

    @property
    def form(self) -> ColumnForm:
        """How a file may write the values."""
        return ColumnForm(self.type, self.missing, self.format)

    @model_validator(mode="after")
    def _rules_fit_the_type(self) -> ColumnContract:
        if self.type not in _HAS_RANGE and (self.min is not None or self.max is not None):
            raise ValueError(f"a {self.type} column has no min and max")
        if self.type not in _HAS_CATEGORIES and self.categories is not None:
            raise ValueError(f"a {self.type} column has no categories")
        if self.type not in ("integer", "float") and self.outliers is not None:
            raise ValueError(f"a {self.type} column has no outliers")
        if self.type != "text" and self.pattern is not None:
            raise ValueError(f"a {self.type} column has no pattern")
        _check_missing(self.type, self.missing)
        check_form(self.type, self.format)
        wanted = int if self.type == "integer" else str
        for value in self.categories or ():
            if not isinstance(value, wanted):
                raise ValueError(f"the category {value!r} is no {self.type}: quote text")
        for key in ("min", "max"):
            _check_bound(getattr(self, key), self.type, key)
        _check_pattern(self.pattern)
        if self.min is not None and self.max is not None and _order(self.min) > _order(self.max):
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class Rule(Part):
    """A boolean expression of one row (DuckDB's scalar SQL); a row passes where it is null."""

    name: StrictStr = Field(min_length=1)
    expr: StrictStr = Field(min_length=1)


class Freshness(Part):
    """The newest value of a column may be at most this old at `as_of`.

    Without `as_of` the clock is that of the other tables of the project: the newest time of any
    of them (a single table is always as new as itself); `validate --now` takes the wall clock.
    """

    column: StrictStr
    max_age: Duration
    as_of: Annotated[StrictStr, BeforeValidator(_moment)] | None = None

    @model_validator(mode="after")
    def _as_of_is_a_moment(self) -> Freshness:
        _check_bound(self.as_of, "timestamp", "as_of")
        return self


class Contract(Part):
    """`contracts/NAME.yaml`; docs/schemas/contract.schema.json is made from it."""

    columns: dict[str, ColumnContract] = Field(min_length=1)
    unique: tuple[tuple[str, ...], ...] = Field(
        (), description="lists of columns that together occur once; rows with a null are left out"
    )
    rules: tuple[Rule, ...] = ()
    freshness: Freshness | None = None
    foreign_keys: tuple[ForeignKey, ...] = Field(
        (), description="columns whose values stand in another table of the project"
    )
    row_counts: tuple[RowCounts, ...] = Field((), description="rows of each hour, day, week")
    distribution: Distribution | None = Field(
        None, description="how far values may move from the last published version"
    )
    queries: tuple[Query, ...] = Field((), description="queries that find what is bad")
    consent: StrictStr | None = Field(
        None,
        min_length=1,
        description="the column that says whether whom a row is about consents: true or 1, or, of "
        "text, the purposes, separated by commas or gaps; a row that does not is left out",
    )
    purpose: tuple[StrictStr, ...] = Field(
        (), description="what the table may be used for; `data.purpose` is one of them"
    )
    extra_columns: Literal["allow", "refuse"] = "allow"
    owner: StrictStr | None = Field(None, min_length=1, description="who answers for the table")
    compatibility: Compatibility = Field(
        "BACKWARD",
        description="what a new version must not break: readers of older data (BACKWARD), older "
        "readers (FORWARD) or both (FULL), against the last version or all of them (_TRANSITIVE)",
    )
    version: StrictInt | None = Field(
        None, ge=1, description="of the last published one; `mlops contract publish` writes it"
    )
    reason: StrictStr | None = Field(
        None, description="why this version was published; `mlops contract publish` writes it"
    )
    profile: dict[str, Shares] | None = Field(
        None, description="of a published version: what `distribution` is held to"
    )

    @property
    def types(self) -> dict[str, ValueType]:
        """Column name to value type, in the contract's order."""
        return {name: column.type for name, column in self.columns.items()}

    @property
    def forms(self) -> dict[str, ColumnForm]:
        """Column name to type and form, in the contract's order: what `Engine.typed` takes."""
        return {name: column.form for name, column in self.columns.items()}

    @model_validator(mode="after")
    def _names_are_known(self) -> Contract:
        for name in self._named():
            if name not in self.columns:
                near = difflib.get_close_matches(name, self.columns, n=1, cutoff=0)
                raise ValueError(f"no column {name!r} here; the nearest is {near[0]!r}")
        names = [*(rule.name for rule in self.rules), *(query.name for query in self.queries)]
        if twice := next((n for n in names if names.count(n) > 1), None):
            raise ValueError(f"two rules are called {twice!r}")
        if any(not key for key in self.unique):
            raise ValueError("`unique` holds an empty list of columns")
        return self

    @model_validator(mode="after")
    def _columns_fit_their_rules(self) -> Contract:
        for key, column in self._timed():
            if self.columns[column].type not in ("date", "timestamp"):
                raise ValueError(f"{key} needs a date or timestamp, not {column!r}")
        for column in self.distribution.columns if self.distribution else ():
            self._check_distributed(column)
        if self.consent and self.columns[self.consent].type not in _HAS_CONSENT:
            raise ValueError(f"consent needs a boolean, an integer or a text, not {self.consent!r}")
        return self

    def _named(self) -> Iterator[str]:
        """Every column that a rule of the table names."""
        for key in self.unique:
            yield from key
        for foreign in self.foreign_keys:
            yield from foreign.columns
        yield from (column for _, column in self._timed())
        yield from self.distribution.columns if self.distribution else ()
        if self.consent is not None:
            yield self.consent

    def _timed(self) -> Iterator[tuple[str, str]]:
        if self.freshness:
            yield "freshness", self.freshness.column
        for counted in self.row_counts:
            yield "row_counts", counted.column

    def _check_distributed(self, name: str) -> None:
        column = self.columns[name]
        if column.type == "text" and column.categories is None:
            raise ValueError(f"distribution needs the categories of {name!r}, which is a text")
        if column.type in ("date", "timestamp"):
            raise ValueError(f"distribution needs a number, a boolean or categories, not {name!r}")


def load_contract(path: Path) -> Contract:
    """Read and check a contract.

    Raises `UsageError` naming file and key, and the nearest known key for an unknown one.
    """
    raw = read_project_yaml(path)
    where = f"{path.parent.name}/{path.name}"
    if not isinstance(raw, dict):
        raise UsageError(f"{where} holds no mapping", hint="it starts with `columns:`")
    try:
        return Contract.model_validate(raw)
    except ValidationError as e:
        lines = [_fault(error) for error in e.errors()]
        raise UsageError(
            f"{where}: " + "; ".join(dict.fromkeys(lines))[:1000], hint=f"edit {where}"
        ) from e


def read_contract(project: Project, table: str) -> Contract:
    """The contract of a table that `mlops.yaml` names; raises `UsageError` where it has none."""
    file = project.contracts[table]
    if not (project.root / file).is_file():
        raise UsageError(
            f"{table} has no contract: {file} does not exist",
            hint="`mlops run` infers one from the table and writes it",
        )
    return load_contract(project.root / file)


def contract_schema() -> dict[str, Any]:
    """The JSON Schema of a contract, as it stands in docs/schemas/contract.schema.json."""
    schema = Contract.model_json_schema()
    return {"$schema": SCHEMA, **schema, "title": "contracts/NAME.yaml"}


def parse_moment(text: str) -> datetime:
    """A moment from ISO 8601 text, as naive UTC; raises `ValueError`."""
    return to_timestamp(text)


def _check_bound(value: object, kind: str, key: str) -> None:
    if value is None:
        return
    if kind in ("date", "timestamp"):
        if not isinstance(value, str) or not _is_moment(value):
            raise ValueError(f"{key} is not ISO 8601 text such as 2013-01-31T00:00:00")
    elif isinstance(value, str) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{key} is not a finite number")


def _check_missing(kind: ValueType, words: tuple[str, ...]) -> None:
    for word in words if kind in ("integer", "float") else ():
        if any(c.isdigit() for c in word):
            raise ValueError(
                f"`missing` takes words, and {word!r} is a value where the type is {kind}: "
                f"learn from nullif(COLUMN, {word[:20]}) under features.row instead"
            )


def _is_moment(text: str) -> bool:
    try:
        parse_moment(text)
    except ValueError:
        return False
    return True


def _order(bound: float | str) -> Any:
    return parse_moment(bound) if isinstance(bound, str) else bound


def _check_pattern(pattern: str | None) -> None:
    if pattern is None:
        return
    if _NOT_IN_RE2.search(pattern):
        raise ValueError(f"the pattern {pattern!r} looks ahead, looks behind or refers back")
    if _NOT_IN_PYTHON.search(pattern):
        raise ValueError(f"the pattern {pattern!r} names a class such as [:digit:]: write \\d")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # `[[`: one day a set in a set
            re.compile(pattern)
    except (re.error, FutureWarning) as e:
        raise ValueError(f"the pattern {pattern!r} is no regular expression: {e}") from e


def _fault(error: Any) -> str:
    path = [str(part) for part in error["loc"] if not str(part).startswith("function-")]
    where = ".".join(path) or "the file"
    if error["type"] == "extra_forbidden":
        known = list(_known_keys(path[:-1]))
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0)
        return f"unknown key `{where}`; the nearest known key is `{near[0]}`"
    if error["type"] == "missing":
        return f"`{where}` is missing"
    said = str(error["msg"]).removeprefix("Value error, ")
    value = error.get("input")
    shown = f" (found {value!r})" if isinstance(value, bool | int | float | str) else ""
    return f"`{where}`: {said[:1].lower()}{said[1:]}{shown}"[:300]


def _known_keys(path: list[str]) -> Iterator[str]:
    models: dict[str, type[Part]] = {
        "columns": Outliers if path[-1:] == ["outliers"] else ColumnContract,
        "rules": Rule,
        "freshness": Freshness,
        "foreign_keys": ForeignKey,
        "row_counts": RowCounts,
        "distribution": Distribution,
        "queries": Query,
        "profile": Shares,
    }
    yield from (models[path[0]] if path else Contract).model_fields
