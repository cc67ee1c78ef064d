"""Residency: a model runs where `governance.residency` lets it, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Collection

from mlops_cli.config.project import Project
from mlops_cli.errors import GateError
from mlops_cli.governance.rules import main_rules


def allowed_regions(project: Project) -> tuple[str, ...]:
    """Where a model may run, by the rules of the main line; empty where that is not asked."""
    return main_rules(project).residency


def refuse_elsewhere(project: Project, target: str) -> None:
    """Raise `GateError` where `deploy.regions` puts the target elsewhere, or nowhere."""
    if not (allowed := allowed_regions(project)):
        return
    region = project.config.deploy.regions.get(target)
    if region is None:
        raise GateError(
            f"{_rule(allowed)}, and deploy.regions does not tell where {target} is",
            hint=f"deploy: {{regions: {{{target}: {allowed[0]}}}}}, if that is where it is",
        )
    if not any(_lies_in(region, area) for area in allowed):
        raise GateError(
            f"{_rule(allowed)}, and {target} is in {region} by deploy.regions",
            hint="deploy to a target that is there",
        )


def refuse_other_nodes(project: Project, target: str, regions: Collection[str]) -> None:
    """Raise `GateError` where a node is outside the region that `deploy.regions` tells.

    `regions` are the nodes' own labels. Nothing is asked for without `governance.residency`.
    """
    if not (allowed := allowed_regions(project)):
        return
    told = project.config.deploy.regions[target]
    if other := sorted(region for region in regions if not _lies_in(region, told)):
        raise GateError(
            f"{_rule(allowed)}, and {target} is in {told} by deploy.regions, but has nodes in "
            f"{', '.join(other)[:200]} by their label topology.kubernetes.io/region",
            hint="deploy to a cluster whose nodes are all there, or correct deploy.regions",
        )


def _rule(allowed: tuple[str, ...]) -> str:
    return f"governance.residency is {' or '.join(allowed)}"


def _lies_in(region: str, area: str) -> bool:
    """The area itself, or a part of it as clouds name them, by whole parts of its name.

    eu-west-1 is in eu; europe is not, and neither is europe-west10 in europe-west1.
    """
    parts, wanted = (re.split("[-_.]", name.lower()) for name in (region, area))
    return parts[: len(wanted)] == wanted
