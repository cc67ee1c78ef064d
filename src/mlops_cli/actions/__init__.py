"""What a person asks for: the table of the commands; one plain function a file for those that are
no stage of the pipeline.

The table is strings only, so that importing it costs nothing: the command line and its help, the
Python names of `mlops_cli`, the table in README and the reference are made from it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from mlops_cli.actions.command import Command
from mlops_cli.actions.command import action as _action
from mlops_cli.stages import STAGES, Stage

PROJECT = "A project"
PIPELINE = "The pipeline, through DVC: only what changed, and what that needs"
PRODUCTION = "The champion in use"
GOVERNANCE = "Who decided what, and the way back"


_OF_STAGES = {  # what a stage's command has beside the options of every stage
    "validate": "mlops validate --now",
    "register": "mlops register --first",
    "tune": "mlops tune worker",
    "train": "mlops train --update",
    "package": "mlops package --build",
}


_BEYOND = {  # a stage's command that does more than the stage
    "register": ("mlops_cli.actions.register", "hold the model to its gates, make it the champion"),
}


def _stage(stage: Stage) -> Command:
    module, summary = _BEYOND.get(stage.name, (stage.module, stage.summary))
    return Command(
        name=stage.name,
        group=PIPELINE,
        summary=f"{summary[:1].upper()}{summary[1:]}.",
        module=module,
        function=stage.name,
        examples=(_OF_STAGES.get(stage.name, f"mlops {stage.name}"),),
    )


COMMANDS: tuple[Command, ...] = (
    _action(
        "init",
        PROJECT,
        "Make a new project straight from a data file; or bring one to a newer template.",
        usage="DIR --data FILE --target COLUMN` or `mlops init --update",
        examples="""
mlops init churn --data customers.csv --target churned
mlops init delays --data flights.parquet --target "late = arr_delay > 15"
mlops init --update
""",
    ),
    _action(
        "import",
        PROJECT,
        "Import a model that was trained elsewhere, proven to predict the same; the champion now.",
        function="import_model",
        module="import_model",  # `import` is a word of Python's own
        usage="--model FILE --data FILE",
        examples="""
mlops import --model model.json --data customers.csv --target churned
mlops import --model pipeline.pkl --data customers.csv --project churn --trust
""",
    ),
    _action(
        "status",
        PROJECT,
        "Stages, metrics, champion, what is deployed, drift, and what is missing.",
        examples="mlops status --json",
    ),
    _action(
        "config",
        PROJECT,
        "Show the configuration and where each value comes from; or its JSON Schema.",
        function="configuration",  # `mlops_cli.config` is a package
        examples="mlops config --schema > mlops.schema.json",
    ),
    _action(
        "doctor",
        PROJECT,
        "Check this machine by doing a small project's work; and the project, where there is one.",
        examples="mlops doctor --deep",
    ),
    _action(
        "demo",
        PROJECT,
        "Run the whole loop on real flights and weather: at most 90 seconds, no network.",
        usage="[DIR]",
        examples="mlops demo",
    ),
    _action(
        "ingest",
        PIPELINE,
        "Bring what is new in the table's source: files, object storage, SQL, Delta, Kafka.",
        usage="[--since VALUE] [--until VALUE] [--follow]",
        examples="mlops ingest",
    ),
    _action(
        "run",
        PIPELINE,
        "Run the pipeline through DVC: only what changed.",
        usage="[STAGE...]",
        examples="""
mlops run
mlops run train
mlops run --force train
""",
    ),
    *map(_stage, STAGES),
    _action(
        "features",
        PIPELINE,
        "What the model sees, of which columns, whose it is; what a server looks up by key.",
        function="describe_features",  # `mlops_cli.features` is a package
        usage="list|suggest|show|lineage|page|publish|approve|materialize|get [NAME]",
        examples="""
mlops features suggest
mlops features lineage --as mermaid
mlops features approve late_share --reason "looked at it"
mlops features materialize
mlops features get --key origin=JFK
""",
    ),
    _action(
        "contract",
        PIPELINE,
        "Infer, check, compare, publish, list the tables' contracts; write them for other tools.",
        usage="infer|check|diff|publish|list|export [NAME]",
        examples="""
mlops contract publish flights --reason "delays in minutes"
mlops contract check
mlops contract export flights --as json-schema --out schemas
""",
    ),
    _action(
        "report",
        PIPELINE,
        "Gates, metrics and drift of the trained model, as Markdown; exit 4 where a gate refuses.",
        examples="mlops report --against origin/main",
    ),
    _action(
        "compare",
        PIPELINE,
        "What differs between two commits, experiments, versions or runs: metrics, data, settings.",
        usage="A [B]",
        examples="""
mlops compare main
mlops compare champion HEAD
""",
    ),
    _action(
        "deploy",
        PRODUCTION,
        "Deploy the champion; it counts when it is healthy. Never retrains.",
        examples="""
mlops deploy
mlops deploy --target docker --plan
mlops deploy --version 3f9c1b2a4d5e --target local
mlops deploy --wait
mlops deploy --stop
""",
    ),
    _action(
        "rollout",
        PRODUCTION,
        "How far a new version has come; one step on by what the judge says; its end by hand.",
        usage="[status|tick|promote|abort|pause|resume]",
        examples="""
mlops rollout status --json
mlops rollout tick
mlops rollout abort --reason "complaints"
""",
    ),
    _action(
        "logs",
        PRODUCTION,
        "The last lines of the deployed service; --follow for those to come.",
        examples="mlops logs --follow",
    ),
    _action(
        "keys",
        PRODUCTION,
        "Add, list or revoke the API keys of a server; each is shown once, when it is made.",
        usage="add|list|revoke [NAME]",
        examples="""
mlops keys add web --scope predict,explain --expires 90d
mlops keys list
mlops keys revoke web
""",
    ),
    _action(
        "serve",
        PRODUCTION,
        "Serve the champion (or a bundle) in the foreground, until Ctrl-C.",
        examples="mlops serve --bundle model --port 9000",
    ),
    _action(
        "score",
        PRODUCTION,
        "Predict every row of a file, in chunks; the predictions stand beside the input's columns.",
        usage="IN OUT",
        examples="mlops score december.parquet scored.parquet",
    ),
    _action(
        "drift",
        PRODUCTION,
        "Compare a table with the deployed model's profile; exit 5 where it drifted.",
        usage="--current FILE",
        examples="mlops drift --current december.parquet",
    ),
    _action(
        "retrain",
        PRODUCTION,
        "Train again on a branch where the policy asks for it; the model is a candidate.",
        examples="""
mlops retrain --dry-run
mlops retrain --backtest
""",
    ),
    _action(
        "parity",
        PRODUCTION,
        "Compare what training's code, score and the running service make of the same rows.",
        examples="""
mlops parity
mlops parity --rows 1000 --target docker
""",
    ),
    _action(
        "collect",
        PRODUCTION,
        "Bring what the deployed service has logged into monitoring/, each segment once.",
        examples="""
mlops collect
mlops collect --from segment.ndjson
""",
    ),
    _action(
        "labels",
        PRODUCTION,
        "Add what came of predictions, by request id: labels from a CSV or Parquet file.",
        usage="add FILE",
        examples="mlops labels add outcomes.csv",
    ),
    _action(
        "monitor",
        PRODUCTION,
        "Judge what was answered, by windows: drift, quality, speed, performance; exit 5: drift.",
        examples="""
mlops monitor
mlops monitor --since 2026-03-01 --until 2026-04-01
""",
    ),
    _action(
        "ab",
        PRODUCTION,
        "Compare two versions that share the traffic: lift with intervals that hold at every look.",
        usage="--since TIME [--kpi FILE]",
        examples="mlops ab --since 2026-03-01 --kpi orders.csv",
    ),
    _action(
        "alerts",
        PRODUCTION,
        "List what fires and what waits, send a test to every sink, or silence an alert.",
        function="alerting",  # `mlops_cli.alerts` is a package
        usage="test|list|silence [KEY|WHEN]",
        examples="""
mlops alerts test
mlops alerts list --json
mlops alerts silence drift --for 2h --reason "known"
""",
    ),
    _action(
        "export",
        PRODUCTION,
        "Write the files of Prometheus, Grafana, a clock, Helm, Argo, Istio, KEDA or KServe.",
        usage="SYSTEM DIR",
        examples="""
mlops export prometheus monitoring/prometheus
mlops export grafana monitoring/grafana
mlops export schedule deploy/schedule --as systemd
mlops export helm deploy/chart
mlops export argo-rollouts deploy/rollout --version 3f9c1b2a4d5e
""",
    ),
    _action(
        "approve",
        GOVERNANCE,
        "Approve the version that waits, in a role; --show: what there is to be looked at.",
        usage="[VERSION] --role ROLE",
        examples="""
mlops approve --show
mlops approve --role data-scientist --reason "the metrics are sound"
mlops approve 3f9c1b2a4d5e --role domain-expert
""",
    ),
    _action(
        "reject",
        GOVERNANCE,
        "Reject a version that waits, with the reason.",
        usage="VERSION --reason TEXT",
        examples='mlops reject 3f9c1b2a4d5e --reason "worse on short trips"',
    ),
    _action(
        "promote",
        GOVERNANCE,
        "Make the approved version the champion; or one that was it before.",
        usage="[VERSION]",
        examples="""
mlops promote
mlops promote 3f9c1b2a4d5e
mlops promote --break-glass --reason "the champion fails for new customers"
""",
    ),
    _action(
        "rollback",
        GOVERNANCE,
        "Back to the champion before, on every target: in seconds, without data or approval.",
        examples="""
mlops rollback --reason "complaints since noon"
mlops rollback --to 3f9c1b2a4d5e
""",
    ),
    _action(
        "erase",
        GOVERNANCE,
        "Erase one subject: its rows leave tables, features, logs, DVC's cache and remotes.",
        usage="--subject COLUMN=VALUE",
        examples="""
mlops erase --list
mlops erase --subject customer_id=4711 --dry-run
mlops erase --subject customer_id=4711
""",
    ),
    _action(
        "reproduce",
        GOVERNANCE,
        "Make a version again from its commit, data and packages, and compare; exit 4: different.",
        usage="[VERSION]",
        examples="""
mlops reproduce
mlops reproduce 3f9c1b2a4d5e --here
""",
    ),
    _action(
        "card",
        GOVERNANCE,
        "A model's card: what is recorded, what governance/card.yaml tells, what nobody has told.",
        usage="[VERSION]",
        examples="""
mlops card > CARD.md
mlops card 0123456789ab
""",
    ),
    _action(
        "receipt",
        GOVERNANCE,
        "What stands behind one prediction, in a file that anybody can check offline.",
        usage="REQUEST_ID --out FILE",
        examples="""
mlops receipt 5d1fa3c09b7e4b52a1c0e8d7f6a59b31 --out claim.receipt --verifier verify_receipt.py
""",
    ),
    _action(
        "audit",
        GOVERNANCE,
        "What happened to the models, by whom and why; --verify: is the record whole.",
        function="audit_log",  # `mlops_cli.audit` is a package
        examples="""
mlops audit
mlops audit --verify
mlops audit --at 2026-11-30T14:00:00Z
mlops audit --subject 0123456789ab
mlops audit --verify --format html > audit.html
mlops audit --repair
""",
    ),
)


def load_command(name: str) -> Callable[..., Any]:
    """The function of the command of that name; its module is imported."""
    found = next(c for c in COMMANDS if c.name == name)
    work: Callable[..., Any] = getattr(importlib.import_module(found.module), found.function)
    return work


def groups() -> Iterator[tuple[str, list[Command]]]:
    """The groups in order, each with its commands."""
    for group in dict.fromkeys(c.group for c in COMMANDS):
        yield group, [c for c in COMMANDS if c.group == group]
