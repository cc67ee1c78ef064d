"""Default `mlops run` beside other libraries on the judging tables, over hours, by hand.

    python -m benchmarks.rank RESULTS.jsonl --tables late,loans --splits 0,1 --peers optuna

A line of the file is one score of one (table, split, peer); what stands there is not run again.
With `--choosing` the tables are those by which defaults are chosen, cut to `--rows`.
`python -m benchmarks.rank RESULTS.jsonl --show` prints the table of ranks. Every peer fits on the
rows that ours has fitted on (training and validation), and is judged by the same hold-out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import program, run
from benchmarks.tables import CHOOSING, JUDGING, Table, load

# What `mlops.yaml` says of each of ours: whether there is a finish, and of `train`.
OURS = {
    "ours": (True, "estimator: xgboost"),
    "ours without the finish": (False, "estimator: xgboost"),
    "ours by lightgbm": (True, "estimator: lightgbm"),
    "ours by catboost": (True, "estimator: catboost"),
    "ours by auto": (True, "estimator: auto"),
    "ours in order": (True, "categories: ordered"),  # not of several classes
    "ours selected": (True, "select: {method: shap}"),
}
MAIN = "ours"
PEERS = ("xgboost", "lightgbm", "catboost", "histogram", "optuna")
APART = {"autogluon": "autogluon.tabular==1.6.3", "flaml": "flaml[automl]>=2.5"}
_BY_HAND = Path(__file__).with_name("by_hand") / "rank.py"
_SPLIT = """
import sys, pathlib, numpy as np
from mlops_cli.config.load import load_project
from mlops_cli.training.data import read_events
events = read_events(pathlib.Path("."), load_project(pathlib.Path(".")).config)
for name in ("fitted", "holdout"):
    np.save(sys.argv[1] + f"/{name}.npy", events.numbers[getattr(events.split, name)])
"""


def main() -> None:
    """Run what is asked for and not yet in the file of results, or show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--choosing", action="store_true")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--tables", help="names, with commas; all of them")
    parser.add_argument("--splits", default="0,1,2,3,4")
    parser.add_argument("--peers", default=",".join((*list(OURS)[:2], *PEERS)))
    parser.add_argument("--pythons", default="{}", help='JSON: {"flaml": "/env/bin/python"}')
    parser.add_argument("--show", action="store_true")
    asked = parser.parse_args()
    if asked.show:
        print(shown(_lines(asked.results)))
        return
    known = CHOOSING if asked.choosing else JUDGING
    named = asked.tables.split(",") if asked.tables else [table.name for table in known]
    tables = [table for table in known if table.name in named]
    for split in map(int, asked.splits.split(",")):
        for table in tables:
            _measure(table, split, asked)


def _lines(file: Path) -> list[dict[str, Any]]:
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def _measure(table: Table, split: int, asked: argparse.Namespace) -> None:
    done = {(r["table"], r["split"], r["peer"]): r for r in _lines(asked.results)}
    wanted = [p for p in asked.peers.split(",") if (table.name, split, p) not in done]
    if not wanted:
        return
    folder = Path(tempfile.mkdtemp(prefix="rank-"))
    try:
        frame = load(table)
        if asked.rows is not None and len(frame) > asked.rows:
            frame = frame.sample(asked.rows, random_state=split).sort_index()
        frame.to_csv(folder / "table.csv", index=False)
        known = done.get((table.name, split, MAIN))
        for peer in wanted:
            if peer in OURS:
                line = _ours(folder, table, split, peer)
                known = line if peer == MAIN else known
            else:
                line = _theirs(folder, table, split, (peer, known), json.loads(asked.pythons))
            line |= {"table": table.name, "split": split, "peer": peer}
            with asked.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(line, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ours(folder: Path, table: Table, split: int, peer: str) -> dict[str, Any]:
    project = _project(folder, table, split, peer)
    took = run([program("mlops"), "run"], project)
    judged = json.loads((project / "metrics.json").read_text(encoding="utf-8"))["holdout"]
    return {"error": _error(table, judged), "wall": took.wall, "cpu": took.cpu}


def _project(folder: Path, table: Table, split: int, peer: str) -> Path:
    finish, of_train = OURS[peer]
    project = folder / peer.replace(" ", "-")
    data = str(folder / "table.csv")
    made = ["init", project.name, "--data", data, "--target", table.target]
    run([program("mlops"), *made], folder)
    file = project / "mlops.yaml"
    text = file.read_text(encoding="utf-8")
    settings = f"\ntrain: {{seed: {split}, {of_train}}}\n"
    settings += f"tune: {{finish: {json.dumps(finish)}}}\n"
    kept = [part for part in _sections(text) if not part.startswith(("train:", "tune:"))]
    file.write_text("".join(kept) + settings, encoding="utf-8")
    return project


def _sections(text: str) -> list[str]:
    made = [""]
    for line in text.splitlines(keepends=True):
        if line[:1].strip() and not line.startswith("#"):
            made.append("")
        made[-1] += line
    return made


def _error(table: Table, judged: dict[str, float]) -> float:
    if table.task == "binary":
        return 1 - judged["roc_auc"]
    return judged["log_loss" if table.task == "multiclass" else "rmse"]


def _theirs(
    folder: Path, table: Table, split: int, who: tuple[str, Any], pythons: dict[str, str]
) -> dict[str, Any]:
    peer, known = who
    project = next(folder.glob("ours*/"), None)
    if project is None:
        project = _project(folder, table, split, "ours without the finish")
        run([program("mlops"), "featurize"], project)
    if not (folder / "fitted.npy").exists():
        run([sys.executable, "-c", _SPLIT, str(folder)], project)
    seconds = known[("wall", "cpu")[peer in APART]] if known else 60
    python = pythons.get(peer, sys.executable)
    about = json.dumps({"target": table.target, "task": table.task, "seconds": seconds})
    took = run([python, str(_BY_HAND), peer, str(folder), about, str(split)], folder)
    return {"error": took.said["error"], "wall": took.wall, "cpu": took.cpu}


def shown(lines: list[dict[str, Any]]) -> str:
    """The relative error of each peer against ours, with an interval over tables, and its rank."""
    errors = {(r["table"], r["split"], r["peer"]): r["error"] for r in lines}
    peers = sorted({r["peer"] for r in lines} - {MAIN})
    cells = sorted({k[:2] for k in errors if (*k[:2], MAIN) in errors})
    rows = [
        "| peer | tables | splits | error against ours | 95 % over tables | worse than ours on |"
    ]
    rows.append("|---|---|---|---|---|---|")
    for peer in peers:
        by_table: dict[str, list[float]] = {}
        for table, split in cells:
            if (table, split, peer) in errors:
                ratio = errors[table, split, peer] / errors[table, split, MAIN]
                by_table.setdefault(table, []).append(100 * (ratio - 1))
        if len(by_table) < 2:
            continue
        means = np.array([np.mean(each) for each in by_table.values()])
        half = 1.96 * means.std(ddof=1) / np.sqrt(len(means))
        n = sum(map(len, by_table.values()))
        worse = f"{(means > 0).sum()} of {len(means)}"
        rows.append(
            f"| {peer} | {len(means)} | {n} | {means.mean():+.1f} % | ±{half:.1f} | {worse} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
