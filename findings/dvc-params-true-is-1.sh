#!/usr/bin/env bash
# DVC 3.67.1 (PyPI): a parameter that changes from 1 to 1.0, or from 0 and 1 to false and true, is no change.
#
# A good engineer would guess that a changed parameter file of other types runs the stage again, as any
# changed byte of a dependency does. DVC compares parameters as Python does, where 1 == 1.0 == True.
#
# Why it matters: to scikit-learn `max_features: 1` is one column and `1.0` all of them. The stage does
# not run, `dvc status` says that all is up to date, and the model is of the former value.
#
# Seen:
#   Data and pipelines are up to date.
#   depth: 1
#   flags: [0, 1]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1
mkdir "$folder/project"
cd "$folder/project"
git init --quiet .
dvc init >/dev/null
printf 'depth: 1\nflags: [0, 1]\n' >params.yaml
dvc stage add --quiet --name fit --params depth,flags --outs model 'cp params.yaml model'
dvc repro >/dev/null
printf 'depth: 1.0\nflags: [false, true]\n' >params.yaml
said=$(dvc repro 2>/dev/null | tail -1; cat model)
echo "$said"
[ "$said" = $'Data and pipelines are up to date.\ndepth: 1\nflags: [0, 1]' ]
