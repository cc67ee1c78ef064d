"""Kubernetes' quantities: refused where the cluster would store another amount, else canonical.

Server-side apply compares texts: `0.5` beside a cluster's `500m` would be a conflict of two equal
amounts. What is applied is therefore in the form in which the cluster holds it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

_FORM = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?", re.ASCII)
_DECIMAL = {"m": Decimal("0.001"), "": Decimal(1)} | {
    unit: Decimal(1000) ** n for n, unit in enumerate("kMGT", 1)
}
_BINARY = {unit: Decimal(1024) ** n for n, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)}
_SMALLEST = 1024**2  # bytes: below, a unit was forgotten


def amount(quantity: str) -> Decimal:
    """How much a quantity is, in cores or bytes; raises `ValueError`."""
    number, unit = _parts(quantity)
    return number * (_DECIMAL | _BINARY)[unit]


def _parts(quantity: str) -> tuple[Decimal, str]:
    match = _FORM.fullmatch(quantity)
    if match is None:
        raise ValueError("a quantity is a number with or without a unit, such as 250m, 1 or 512Mi")
    return Decimal(match[1]), match[2] or ""


def _cpu(quantity: str) -> str:
    _, unit = _parts(quantity)
    cores = amount(quantity)
    if unit not in ("m", ""):
        raise ValueError(f"`{unit}` is no unit of CPU: write cores (2, 0.5) or thousandths (500m)")
    if cores <= 0 or (cores * 1000) % 1:
        raise ValueError("CPU is counted in thousandths of a core, at least 1m")
    return _canonical(cores, _DECIMAL)


def _memory(quantity: str) -> str:
    number, unit = _parts(quantity)
    size = amount(quantity)
    if unit == "m" or size % 1:
        raise ValueError(
            f"{quantity} is {size.normalize():f} bytes, and memory is whole bytes: "
            "write 512Mi or 1Gi"
        )
    if size < _SMALLEST:
        like = f"{number:f}Mi or {number:f}Gi" if number else "512Mi or 1Gi"
        raise ValueError(f"{quantity} is {size:f} bytes: write {like}")
    return _canonical(size, _BINARY if unit in _BINARY else _DECIMAL)


def _canonical(size: Decimal, units: dict[str, Decimal]) -> str:
    """Without a fraction, by the greatest unit that allows it: 1.5Gi is 1536Mi, 1000m is 1."""
    for unit, factor in sorted(units.items(), key=lambda pair: -pair[1]):
        if not size % factor:
            return f"{int(size / factor)}{unit}"
    return str(int(size))


def _text(value: Any) -> Any:
    """YAML reads `cpu: 1` as a number."""
    return str(value) if type(value) in (int, float) else value


_SCHEMA = Field(pattern=rf"^{_FORM.pattern}$", examples=["250m", "1", "512Mi"])
Cpu = Annotated[str, _SCHEMA, BeforeValidator(_text), AfterValidator(_cpu)]
Memory = Annotated[str, _SCHEMA, BeforeValidator(_text), AfterValidator(_memory)]
