"""The files of a new project, from the templates and a study of its data."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlops_cli._files import write_text
from mlops_cli._templates import as_yaml, render
from mlops_cli.bundle.requirements import PACKAGE
from mlops_cli.config.metrics import METRICS
from mlops_cli.config.model import contract_of
from mlops_cli.contracts.write import write_contract
from mlops_cli.scaffold.study import Study
from mlops_cli.secret_forms import refuse_secrets
from mlops_cli.stages import STAGES

# Plain YAML scalars that some reader (YAML 1.1 among them) takes for something else.
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n"}
_PLAIN = re.compile(r"[A-Za-z_][\w./-]*(?: [\w./-]+)*")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new project is made from; `folder` is its path inside another git work tree."""

    name: str
    table: str
    target: str
    study: Study
    reference: bool
    folder: str | None


def write_files(root: Path, plan: Plan) -> list[str]:
    """Write everything but data, DVC and git into `root`; the paths, relative to it."""
    contract = contract_of(plan.table)
    write_contract(root / contract, plan.study.contract, table=plan.table)
    values = _values(plan, contract)
    written = [contract]
    for template, path in (
        ("mlops.yaml", "mlops.yaml"),
        ("README.md", "README.md"),
        ("gitignore", ".gitignore"),
        ("gitattributes", ".gitattributes"),
        ("workflow.yml", ".github/workflows/mlops.yml"),
        ("test_project.py", "tests/test_project.py"),
    ):
        text = render(f"project/{template}.j2", **values)
        refuse_secrets(text, path)
        write_text(root / path, text)
        written.append(path)
    return written


def write_json(path: Path, value: Any) -> None:
    """Write a small JSON file that people read."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def scalar(text: str) -> str:
    """Text as a YAML scalar, quoted where it must be."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _RESERVED
    return text if plain else as_yaml(text)


def github_scalar(text: str) -> str:
    """The same in a workflow, where `${{` would begin an expression: it is written as one."""
    return scalar(text.replace("${{", "${{ '${{' }}"))


def comment(text: str) -> str:
    """Text that stays in its comment: what ends a line, or is none, becomes a space."""
    return "".join(c if c.isprintable() else " " for c in text)


def _values(plan: Plan, contract: str) -> dict[str, object]:
    study = plan.study
    why = {g.what: g for g in study.guesses}
    time = why.get("time") or why.get("no time")
    python = sys.version_info
    return {
        "yaml": scalar,
        "github": github_scalar,
        "comment": comment,
        "project": plan.name,
        "task": study.task,
        "task_why": why["task"].why,
        "table": plan.table,
        "target": plan.target,
        "positive": study.positive,
        "target_name": study.target.name,
        "expression": study.target.expression,
        "time": study.time,
        "time_why": _time_why(time.value, time.why, study) if time else None,
        "id": _id(study),
        "contract": contract,
        "features": study.choice.features,
        "row": study.parts.taken,
        "left_out": (*study.choice.left_out, *study.parts.left_out),
        "warnings": _by_column(study.choice.warnings),
        "notes": [text for text in study.warnings if text not in study.choice.warnings],
        "split_why": _split_why(study),
        "metric": METRICS[study.task][0],
        "outs": _outs(),
        "reference": plan.reference,
        "folder": plan.folder,
        "python": f"{python.major}.{python.minor}",
        "version": version("mlops-cli"),
        # The repository's variable MLOPS_REQUIREMENT names another source.
        "requirement": PACKAGE.format(version("mlops-cli")),
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
    how = "at random" if study.task == "regression" else "stratified by class"
    return f"{how}: 20 % hold-out, 20 % validation"


def _outs() -> list[str]:
    return [path for stage in STAGES for path in stage.outs]
