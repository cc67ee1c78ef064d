#!/usr/bin/env bash
# DVC 3.67.1 (PyPI): `dvc init --quiet` in a folder that holds an empty `.dvc` exits 1, without a word.
#
# A good engineer would guess that --quiet silences what is good news, and that an error still says
# what is wrong: `dvc init` without it names `.dvc` and `-f`. Quiet, there is nothing on either stream.
#
# Why it matters: a tool that writes a template of plots (`.dvc/plots/`) before it makes the repository
# sees its own `dvc init` fail, and its user gets an exit code and no reason.
#
# Seen:
#   exit 1, 0 bytes said
#   without --quiet: ERROR: failed to initiate DVC - '.dvc' exists. Use `-f` to force.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$folder/site" NO_COLOR=1
mkdir -p "$folder/project/.dvc" && cd "$folder/project"
code=0
"$folder/venv/bin/dvc" init --no-scm --quiet >"$folder/said" 2>&1 || code=$?
size=$(wc -c <"$folder/said")
echo "exit $code, $size bytes said"
loud=$("$folder/venv/bin/dvc" init --no-scm 2>&1 || true)
echo "without --quiet: ${loud%%$'\n'*}"
[ "$code" = 1 ] && [ "$size" = 0 ] && [[ "$loud" == *exists* ]]
