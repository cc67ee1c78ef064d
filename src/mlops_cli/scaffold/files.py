"""The files of a new project, from the templates and a study of its data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_cli._files import write_text
from mlops_cli._templates import render
from mlops_cli.config.metrics import METRICS
from mlops_cli.config.model import contract_of
from mlops_cli.config.paths import CONFIG, TEMPLATE_RECORD
from mlops_cli.contracts.write import write_contract
from mlops_cli.scaffold.given import Facts, given, write_record
from mlops_cli.scaffold.study import Study
from mlops_cli.scaffold.texts import comment, scalar
from mlops_cli.secret_forms import refuse_secrets


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new project is made from.

    `folder` is its path below the top of a git work tree; None where it is the top itself, or
    without git. `beside`: it joins what already stands in its folder.
    """

    name: str
    table: str
    target: str
    study: Study
    reference: bool
    folder: str | None
    beside: bool = False


def write_files(root: Path, plan: Plan) -> list[str]:
    """Write everything but data, DVC and git into `root`; the paths, relative to it.

    What stands outside of it, as its workflow at the top of a repository, is left to the caller.
    """
    contract = contract_of(plan.table)
    write_contract(root / contract, plan.study.contract, table=plan.table)
    config = render("project/mlops.yaml.j2", **_values(plan, contract))
    refuse_secrets(config, CONFIG)
    write_text(root / CONFIG, config)
    record = given(facts_of(plan))
    for path, text in record.files.items():
        if not path.startswith("../"):
            write_text(root / path, text)
    write_record(root, record)
    return [contract, CONFIG, *record.files, TEMPLATE_RECORD]


def facts_of(plan: Plan) -> Facts:
    """What the templates of its files are to know."""
    target = plan.study.target
    return Facts(
        project=plan.name,
        task=plan.study.task,
        table=plan.table,
        target_name=target.name,
        expression=target.expression,
        contract=contract_of(plan.table),
        reference=plan.reference,
        folder=plan.folder,
    )


def write_json(path: Path, value: Any) -> None:
    """Write a small JSON file that people read."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _values(plan: Plan, contract: str) -> dict[str, Any]:
    study = plan.study
    why = {g.what: g for g in study.guesses}
    time = why.get("time") or why.get("no time")
    return {
        "yaml": scalar,
        "comment": comment,
        "project": plan.name,
        "task": study.task,
        "task_why": why["task"].why,
        "table": plan.table,
        "target": plan.target,
        "positive": study.positive,
        "time": study.time,
        "time_why": _time_why(time.value, time.why, study) if time else None,
        "id": _id(study),
        "contract": contract,
        "features": study.choice.features,
        "row": study.parts.taken,
        "left_out": (*study.choice.left_out, *study.parts.left_out),
        "warnings": _by_column(study.choice.warnings),
        "notes": [text for text in study.warnings if text not in study.choice.warnings],
        "split": f"{{key: {scalar(study.key)}}}" if study.key else "{}",
        "split_why": _split_why(study),
        "metric": METRICS[study.task][0],
    }


def _time_why(value: str, why: str, study: Study) -> str:
    return why if study.time else f"{value}: {why}"


def _id(study: Study) -> str:
    named = {"subject": (study.subject,) if study.subject else (), "event": study.event}
    listed = (f"{key}: [{', '.join(map(scalar, v))}]" for key, v in named.items() if v)
    text = ", ".join(listed)
    return f"{{{text}}}" if text else ""


def _by_column(warnings: Sequence[str]) -> dict[str, str]:
    return {text.split(" alone predicts", 1)[0]: text for text in warnings}


def _split_why(study: Study) -> str:
    if study.time:
        return "by time: the last 20 % are the hold-out, 20 % before them for validation"
    if study.key:
        return f"whole groups by {study.key}: 20 % hold-out, 20 % validation"
    how = "at random" if study.task == "regression" else "stratified by class"
    return f"{how}: 20 % hold-out, 20 % validation"
