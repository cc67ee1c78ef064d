"""Residency: a model runs where `governance.residency` lets it, and nowhere else."""

from __future__ import annotations

from collections.abc import Collection

from mlops_cli.config.project import Project
from mlops_cli.errors import GateError


def refuse_elsewhere(project: Project, target: str) -> None:
    """Raise `GateError` where `deploy.regions` puts the target elsewhere, or nowhere."""
    allowed = _allowed(project)
    if not allowed:
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
    if not (allowed := _allowed(project)):
        return
    told = project.config.deploy.regions[target]
    if other := sorted(region for region in regions if not _lies_in(region, told)):
        raise GateError(
            f"{_rule(allowed)}, and {target} is in {told} by deploy.regions, but has nodes in "
            f"{', '.join(other)[:200]} by their label topology.kubernetes.io/region",
            hint="deploy to a cluster whose nodes are all there, or correct deploy.regions",
        )


def _allowed(project: Project) -> tuple[str, ...]:
    rule = project.config.governance.residency
    return (rule,) if isinstance(rule, str) else rule or ()


def _rule(allowed: tuple[str, ...]) -> str:
    return f"governance.residency is {' or '.join(allowed)}"


def _lies_in(region: str, area: str) -> bool:
    """The area itself, or a part of it as clouds name them: eu-west-1 is in eu, europe is not."""
    rest = region.lower().removeprefix(area.lower())
    return len(rest) < len(region) and not rest[:1].isalpha()
