"""The server against BentoML's and MLServer's own services of the same model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.data import environment, trained
from benchmarks.measure import Failed, Pairs, pairs, run
from benchmarks.results import Figure, Line
from benchmarks.servers import Server, events, free_port, load_parts, ours, rate, same, serving
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.predictor import open_predictor

PAIRS = 5
SERVICE = Path(__file__).parents[1] / "by_hand/bentoml_service.py"
PACKAGES = {
    "BentoML": ("bentoml>=1.4.40", "xgboost>=3.2"),
    # Its workers ask for an event loop that is not there, which uvloop 0.22 no longer makes.
    "MLServer": ("mlserver>=1.7.1", "mlserver-xgboost>=1.7.1", "uvloop<0.22"),
}


def measure(work: Path) -> Line:
    """Each in turns with ours; what cannot be installed is said in the note."""
    project = trained(work)
    (event,) = events(project, 1)
    figures, parts, absent = [], {}, ""
    for name, packages in PACKAGES.items():
        try:
            python = environment(work, name.lower(), *packages)
        except Failed as e:
            absent += f" {name} could not be installed: {str(e).splitlines()[-1][:200]}."
            continue
        taken, parts_of_it = _against(name, work, python, project / "model", event)
        figures.append(
            Figure(
                f"requests/s against {name}'s",
                taken.ratio(rate),
                "x",
                target=10,
                at_least=True,
                pairs=PAIRS,
            )
        )
        parts.update(parts_of_it)
    return Line(
        title="The server, one worker, 32 connections, against other servers of the same model",
        figures=tuple(figures),
        parts=parts,
        note="Ours gets a raw event with a key, checks it, makes the features and writes the log. "
        "Theirs get the features ready as numbers, since both predict arrays, and do neither: "
        "BentoML's service with batching on, MLServer's runtime of XGBoost over the Open Inference "
        f"Protocol; both by their defaults. All say the same, which is checked before.{absent}",
    )


def _against(
    name: str, work: Path, python: Path, bundle: Path, event: dict[str, Any]
) -> tuple[Pairs, dict[str, dict[str, float]]]:
    row = open_predictor(open_bundle(bundle)).row(event)
    start = {"BentoML": _bentoml, "MLServer": _mlserver}[name]
    with ours(work, bundle, event) as mlops, start(work, python, bundle, row) as other:
        said = other.once()
        same(
            mlops.once()["predictions"][0]["probability"],
            said[0] if isinstance(said, list) else said["outputs"][0]["data"][0],
        )
        taken = pairs(mlops.load, other.load, PAIRS, warm=True)
        return taken, {
            f"mlops, beside {name}": load_parts(taken.ours, mlops.memory()),
            name: load_parts(taken.theirs, other.memory()),
        }


@contextmanager
def _bentoml(work: Path, python: Path, bundle: Path, row: list[float]) -> Iterator[Server]:
    store = {"BENTOML_HOME": str(work / "bentoml_store"), "BENTOML_DO_NOT_TRACK": "true"}
    run([str(python), str(SERVICE), str(bundle / "model.ubj")], work, env=store)
    port = free_port()
    command = [str(python), "-m", "bentoml", "serve", f"{SERVICE.stem}:Flights", "-p", str(port)]
    server = Server(work, port, "/predict", {"data": [row]}, {})
    with serving(server, command, store, cwd=SERVICE.parent):
        yield server


@contextmanager
def _mlserver(work: Path, python: Path, bundle: Path, row: list[float]) -> Iterator[Server]:
    (folder := work / "mlserver_model").mkdir(exist_ok=True)
    settings = {
        "name": "flights",
        "implementation": "mlserver_xgboost.XGBoostModel",
        "parameters": {"uri": str(bundle / "model.ubj"), "version": "v1"},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings), encoding="utf-8")
    values = {"name": "predict", "shape": [1, len(row)], "datatype": "FP32", "data": [row]}
    server = Server(work, free_port(), "/v2/models/flights/infer", {"inputs": [values]}, {})
    ports = {"HTTP": server.port, "GRPC": free_port(), "METRICS": free_port()}
    env = {f"MLSERVER_{name}_PORT": str(port) for name, port in ports.items()}
    command = [str(python.with_name("mlserver")), "start", str(folder)]
    with serving(server, command, env, cwd=folder):
        yield server
