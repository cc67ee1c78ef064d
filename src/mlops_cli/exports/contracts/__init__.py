"""A contract in the form of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from mlops_cli._adapters import load_adapter

if TYPE_CHECKING:
    from mlops_cli.contracts.model import Contract
    from mlops_cli.exports.base import Rendered

Form = Literal["json-schema", "avro", "pandera", "great-expectations", "odcs", "dbt"]
FORMS: dict[Form, str] = {
    "json-schema": "mlops_cli.exports.contracts.json_schema",
    "avro": "mlops_cli.exports.contracts.avro",
    "pandera": "mlops_cli.exports.contracts.pandera",
    "great-expectations": "mlops_cli.exports.contracts.great_expectations",
    "odcs": "mlops_cli.exports.contracts.odcs",
    "dbt": "mlops_cli.exports.contracts.dbt",
}


def contract_files_of(name: str, contract: Contract, form: Form) -> Rendered:
    """The files of the contract `name` in that form, and what of it the form cannot tell.

    Raises `UsageError` for a column that cannot be named there.
    """
    return cast("Rendered", load_adapter(FORMS[form]).render(name, contract))
