#!/usr/bin/env bash
# DVC 3.67.1 (PyPI): `dvc exp run -S` fails where the parameter file holds `${NAME}` anywhere.
#
# A good engineer would guess that -S sets one key and leaves the others as they stand, as `dvc repro`
# and `dvc params diff` read such a file without a word. DVC hands the whole file to OmegaConf, which
# takes `${NAME}` of any other key for a reference to a key of the file.
#
# Why it matters: `${NAME}` is how many tools' files take a value from the environment. A file that two
# tools share cannot hold one, though no stage depends on it. `${oc.env:NAME}` is none either: DVC
# writes what it stands for, a secret perhaps, into the file. Such values belong into another file.
#
# Seen:
#   ERROR: unexpected error - Interpolation key 'TRACKING_URI' not found
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1 TRACKING_URI=http://example.org
mkdir "$folder/project"
cd "$folder/project"
git init --quiet .
git config user.name n
git config user.email n@example.org
dvc init >/dev/null
printf 'depth: 1\ntracking: {uri: "${TRACKING_URI}"}\n' >params.yaml
dvc stage add --quiet --name fit --params depth --outs model 'cp params.yaml model'
dvc repro >/dev/null
git add -A
git commit --quiet --message first
said=$(dvc exp run -S depth=2 2>&1 || true)
echo "$said" | grep -m 1 "Interpolation key"
