"""What the footers of Parquet files say of a column's values, where they say it of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlops_cli.tables.base import Engine, literal
from mlops_cli.tables.file_watch import parts_of

_FORMS = (  # SQL of a bound, which is kept as text
    "try_cast({} as hugeint)",
    "try_cast({} as double)",
    "cast(try_cast({} as float) as double)",  # as the value is read: 0.1 is no double 0.1
    "try_cast({} as timestamp)",
)
_WHOLE = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT")
_FORM_OF = {  # by a column's native type; of what is in neither table nothing is said
    **dict.fromkeys(_WHOLE, 0), "DOUBLE": 1, "FLOAT": 2, "TIMESTAMP": 3, "DATE": 3
}  # fmt: skip
_UNBOUND = ("BOOLEAN", "VARCHAR")


@dataclass(frozen=True, slots=True)
class ColumnBounds:
    """A column of `rows` rows, of which `nulls` are null, and whose pages have so many `bytes`.

    `low` and `high` are the bounds of all others; a NaN is none of them, and not counted. They are
    None where every value is null, and where some row group does not tell them (`told`).
    """

    native: str
    rows: int
    nulls: int
    bytes: int
    told: bool = False
    low: int | float | datetime | None = None
    high: int | float | datetime | None = None


def read_bounds(engine: Engine, path: Path, names: Sequence[str]) -> dict[str, ColumnBounds]:
    """The columns of a Parquet file, or of a folder of them, whose footers count the nulls.

    What other parts lack, or have of another type, is left out, and so is a CSV file.
    """
    parts = parts_of(path) or ([path] if path.suffix.lower() in (".parquet", ".pq") else [])
    natives = {c.name: c.native for c in engine.columns(path)} if parts else {}
    known = (*_FORM_OF, *_UNBOUND)
    asked = [name for name in names if natives.get(name) in known]
    found: dict[str, ColumnBounds] = {}
    for name, rows, nulls, size, *bounds in engine.rows(_sql(parts, asked)) if asked else ():
        native = natives[name]
        found[name] = ColumnBounds(native, int(rows), int(nulls), int(size))
        if (form := _FORM_OF.get(native)) is not None:
            of_form = bounds[3 * form : 3 * form + 3]
            found[name] = ColumnBounds(native, int(rows), int(nulls), int(size), *of_form)
    return found


def _sql(parts: Sequence[Path], names: Sequence[str]) -> str:
    files = ", ".join(literal(str(part)) for part in parts)
    cells = [cell for form in _FORMS for cell in _cells(form)]
    whole = f"(select sum(num_rows) from parquet_file_metadata([{files}]))"
    return (
        f"select path_in_schema, sum(num_values), sum(stats_null_count), "
        f"sum(total_uncompressed_size), {', '.join(cells)} from parquet_metadata([{files}]) "
        f"where path_in_schema in ({', '.join(map(literal, names))}) group by path_in_schema "
        f"having sum(num_values) = {whole} and bool_and(stats_null_count is not null) "
        f"and count(distinct type) = 1"
    )


def _cells(form: str) -> tuple[str, ...]:
    low, high = (form.format(f"stats_{end}_value") for end in ("min", "max"))
    told = f"stats_null_count = num_values or ({low} is not null and {high} is not null)"
    return f"bool_and({told})", f"min({low})", f"max({high})"
