"""A contract as the YAML of a pandera schema."""

from __future__ import annotations

from mlops_cli.contracts.model import Contract
from mlops_cli.contracts.pandera import pandera_yaml
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.contracts.untold import untold


def render(name: str, contract: Contract) -> Rendered:
    """See `exports.contracts.contract_files_of`: one file, `NAME.pandera.yaml`."""
    files = {f"{name}.pandera.yaml": pandera_yaml(contract)}
    return Rendered(files, untold(contract, unique=False))
