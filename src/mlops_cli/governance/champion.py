"""A champion that the last decision names and the registry in force does not know."""

from __future__ import annotations

from pathlib import Path

from mlops_cli.bundle.manifest import short
from mlops_cli.errors import EnvironmentFault
from mlops_cli.governance.decision import decided_champion


def lost_champion(root: Path, address: str) -> EnvironmentFault | None:
    """The error for a registry at `address` that has no champion although there was one.

    None where there never was one: an empty registry is where every project begins, and a lost
    one must not look like it.
    """
    was = decided_champion(root)
    if was is None:
        return None
    return EnvironmentFault(
        f"the registry at {address} has no champion, but {short(was)} was one",
        hint="set MLFLOW_TRACKING_URI to the registry that knows it, bring its files back, or "
        "start anew with `mlops register --first`",
    )


def check_champion_is_known(root: Path, address: str) -> None:
    """Raise `EnvironmentFault` where the registry has no champion although there was one."""
    if lost := lost_champion(root, address):
        raise lost
