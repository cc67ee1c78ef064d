#!/usr/bin/env bash
# MLflow 3.17.2 (PyPI): in one process, an artifact of a run goes to the store where a run of this id was
# written first, whatever store the client asks.
#
# A good engineer would guess that a client of another tracking URI writes where that store says the run's
# artifacts are. MLflow remembers the place by the run's id alone, for the whole process.
#
# Why it matters: two copies of a project have the same run ids. A test or a service that handles both in
# one process writes the second one's files into the first one, without an error.
#
# Seen:
#   the second store says: two/files
#   one: a.txt b.txt
#   two: a.txt
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
said=$(venv/bin/python - 2>/dev/null <<'PY'
import shutil
import sqlite3
from pathlib import Path

from mlflow import MlflowClient


def client(name):
    return MlflowClient(f"sqlite:///{Path(name).absolute()}/mlflow.db")


Path("one").mkdir()
first = client("one")
experiment = first.create_experiment("e", artifact_location=Path("one/files").absolute().as_uri())
run = first.create_run(experiment).info.run_id
first.log_text(run, "first", "a.txt")

shutil.copytree("one", "two")  # and the copy knows where it stands
with sqlite3.connect("two/mlflow.db") as copy:
    copy.execute("update experiments set artifact_location = replace(artifact_location, '/one/', '/two/')")
    copy.execute("update runs set artifact_uri = replace(artifact_uri, '/one/', '/two/')")
second = client("two")
place = second.get_run(run).info.artifact_uri
print("the second store says:", "two/files" if "/two/files/" in place else place)
second.log_text(run, "second", "b.txt")
for name in ("one", "two"):
    print(f"{name}:", *sorted(p.name for p in Path(name).rglob("*.txt")))
PY
)
echo "$said"
[ "$said" = $'the second store says: two/files\none: a.txt b.txt\ntwo: a.txt' ]
