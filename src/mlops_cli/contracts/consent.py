"""Whether a row may be used for what a project is for, by `consent` and `purpose`."""

from __future__ import annotations

from mlops_cli.config.paths import CONFIG
from mlops_cli.contracts.model import Contract
from mlops_cli.errors import UsageError
from mlops_cli.tables.base import literal, quote


def check_purpose(contract: Contract, where: str, purpose: str | None) -> None:
    """Raise `UsageError` where the contract in the file `where` does not allow the purpose."""
    by_text = contract.consent is not None and contract.columns[contract.consent].type == "text"
    if purpose is None and (contract.purpose or by_text):
        raise UsageError(
            f"{where} says what its table may be used for, and {CONFIG} names no data.purpose",
            hint=f"name it in {CONFIG}, such as `data: {{purpose: {_first(contract)}}}`",
        )
    if contract.purpose and purpose not in contract.purpose:
        raise UsageError(
            f"{CONFIG}: data.purpose is {purpose!r}, and {where} allows "
            f"{', '.join(contract.purpose)[:300]}",
            hint="leave the table out, or have its owner allow the purpose in the contract",
        )


def without_consent(contract: Contract, purpose: str | None) -> str | None:
    """SQL on a typed row: nobody consented to its use for `purpose`; None where none is needed.

    A boolean column consents with true, an integer with 1, a text where the purpose is one of its
    words, which commas, semicolons, bars or gaps separate. What is missing is no consent.
    """
    if contract.consent is None:
        return None
    column, kind = quote(contract.consent), contract.columns[contract.consent].type
    given = {
        "boolean": column,
        "integer": f"{column} = 1",
        "text": f"list_contains(regexp_split_to_array({column}, '[,;|\\s]+'), "
        f"{literal(purpose or '')})",
    }[kind]
    return f"not coalesce({given}, false)"


def _first(contract: Contract) -> str:
    return next(iter(contract.purpose), "PURPOSE")
