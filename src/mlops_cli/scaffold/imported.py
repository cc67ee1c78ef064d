"""The study of a table whose model was trained elsewhere: nothing is left to be guessed."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_cli.bundle.manifest import Task
from mlops_cli.contracts.model import Contract
from mlops_cli.scaffold.columns import Choice, LeftOut
from mlops_cli.scaffold.date_parts import DateParts
from mlops_cli.scaffold.study import Guess, Study
from mlops_cli.scaffold.target import Target

UNKNOWN = "prediction"  # what is predicted, where the table has no column of it
_NOTHING = {"regression": "double"}
_NOT_THERE = (
    "the table has no column of what is predicted: name one under data.target, and `mlops run` "
    "trains here"
)


def study_of(
    contract: Contract, target: Target | None, task: Task, features: Sequence[str]
) -> Study:
    """The study of a table, described by `contract`, of which a model of `task` reads `features`.

    Without a target its place is held by one that is null in every row.
    """
    known = target or _unknown(task)
    others = [name for name in contract.columns if name not in (*features, *known.inputs)]
    return Study(
        contract=contract,
        target=known,
        task=task,
        positive=None,
        time=None,
        choice=Choice(
            tuple(features), tuple(LeftOut(n, "the model does not read it") for n in others)
        ),
        parts=DateParts(),
        keys=(),
        subject=None,
        event=(),
        guesses=(Guess("task", task, "the imported model's"),),
        warnings=() if target else (_NOT_THERE,),
    )


def target_text(target: Target) -> str:
    """The target as `mlops.yaml` has it."""
    return f"{target.name} = {target.expression}" if target.expression else target.name


def _unknown(task: Task) -> Target:
    nothing = f"cast(null as {_NOTHING.get(task, 'integer')})"
    # `sql` chooses the rows that become examples: all may.
    return Target(UNKNOWN, "true", nothing, "float", (), 0, 0, 0, False, (None, None))
