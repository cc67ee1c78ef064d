"""`mlops train --update` and `mlops tune --update`: the next model begins with the champion."""

from __future__ import annotations

from mlops_cli.config.document import set_value
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import CONFIG
from mlops_cli.config.project import Project
from mlops_cli.config.sections.train import AUTO
from mlops_cli.errors import UsageError
from mlops_cli.governance.champion import champion_of
from mlops_cli.pipeline.snapshots import snapshot
from mlops_cli.tracking import open_tracker
from mlops_cli.tuning.spaces import check_first, space_of


def go_on_from_champion(project: Project) -> Project:
    """Write the champion's version into `train.update`, which DVC sees; the project with it.

    Raises `UsageError` where there is no champion.
    """
    champion = champion_of(project, open_tracker(project))
    set_value(project.root / CONFIG, "train", "update", champion.version)
    return load_project(project.root)


def try_champion_first(project: Project) -> Project:
    """Write the champion's parameters into `tune.first`, which DVC sees; the project with it.

    Those that are searched today, within their ranges. Raises `UsageError` where there is no
    champion, and where its parameters are not known or are no point of today's space.
    """
    if project.config.train.estimator == AUTO:
        raise UsageError(
            "mlops.yaml: train.estimator is auto, whose searches each begin anew",
            hint="name one estimator, or leave --update out",
        )
    config, version = project.config, champion_of(project, open_tracker(project)).version
    space = space_of(config.train.estimator, config.tune.space, config.train.params)
    known = snapshot(project, version[:12]).params or {}
    first = {name: known[name] for name in space if name in known}
    try:
        check_first([first], space)
    except UsageError as e:
        raise UsageError(
            f"the champion {version} is no point of tune.space: {e.message.partition(': ')[2]}",
            hint="another estimator or another space begins anew: leave --update out",
        ) from e
    set_value(project.root / CONFIG, "tune", "first", [first])
    return load_project(project.root)
