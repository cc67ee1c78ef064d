"""What the sections of `mlops.yaml` are made of."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from mlops_cli._adapters import Kind, is_named

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = r"^(\d+)\s*(s|m|h|d|w)$"


def duration(value: Any) -> timedelta:
    """The value of `30m`, `1h` or `2d`; raises `ValueError` for what is none."""
    if isinstance(value, timedelta):
        return value
    match = re.match(_DURATION, str(value).strip())
    if not match:
        raise ValueError(f"{value!r} is not a duration such as 30m, 1h or 2d")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError as e:
        raise ValueError(f"{match[0][:20]} is longer than any calendar") from e


def format_duration(value: timedelta) -> str:
    """The shortest text that `Duration` reads back to the same value: 3600 s is `1h`."""
    seconds = int(value.total_seconds())
    for unit, size in (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _plain_path(value: str) -> str:
    if "${" in value:
        raise ValueError("a path may not hold `${`: DVC would fill it in")
    if not value.isprintable():
        raise ValueError("a path holds a character that cannot be printed")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["30m", "1h", "2d"]}),
]


def _no_absolute_path(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("/"):
        raise ValueError("an absolute path is of one machine: write it relative to the project")
    return value


ProjectPath = Annotated[
    str,
    Field(pattern=r"^[^/].*$", description="relative to the project"),
    BeforeValidator(_no_absolute_path),  # told in words before the pattern is
    AfterValidator(_plain_path),
]
Share = Annotated[float, Field(gt=0, lt=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
ImageRegistry = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*(:\d{1,5})?(/[a-z0-9][a-z0-9._-]*)*$")
]


_FUNCTION = "module:function"
_IS_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def _somebodys(kind: Kind, ours: Sequence[str], name: str) -> str:
    known = {form.partition(":")[0]: form for form in ours if form != _FUNCTION}
    library = name.partition(":")[0]
    own = _FUNCTION in ours and _IS_FUNCTION.fullmatch(name)
    if library not in known and not own and not is_named(kind, library):
        near = [known[n] for n in difflib.get_close_matches(library, known, n=1)]
        meant = f": did you mean {near[0]}?" if near else ""
        raise ValueError(
            f"{name!r} is none of {', '.join(ours)}, and no installed package brings it{meant}"
        )
    return name


def one_of(kind: Kind, *ours: str) -> AfterValidator:
    """A name of ours, or one that another package brings by an entry point.

    Of ours `library:NAME` stands for all that begin with that library, and `module:function` for
    one of the project's own code, which whoever imports it looks for.
    """
    return AfterValidator(partial(_somebodys, kind, ours))


class Section(BaseModel):
    """What every section has in common: frozen, and a key that is not known is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )
