#!/usr/bin/env bash
# xgboost 3.2.0 and xgboost-cpu 3.2.0 (PyPI, pip 24, Linux): one module from two packages.
#
# A good engineer would guess that pip refuses the second package, or that uninstalling the first
# leaves the second working. Neither: the second one's files silently replace the first one's (the
# CUDA build becomes the CPU build), and uninstalling the first removes the module of both, while
# pip goes on listing the second as installed.
#
# Why it matters: two dependencies of one project may each name another of the two. An environment
# that lists xgboost-cpu can have no module `xgboost`, and a GPU build can be lost without a word.
#
# Seen:
#   the library shrank from 236 MB to 17 MB when xgboost-cpu was installed beside xgboost
#   pip lists: xgboost-cpu 3.2.0
#   import xgboost: ModuleNotFoundError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip --quiet --disable-pip-version-check"
$pip install numpy scipy
$pip install --no-deps xgboost==3.2.0
library=$(find "$folder/venv" -name libxgboost.so)
before=$(stat -c %s "$library")
$pip install --no-deps xgboost-cpu==3.2.0
after=$(stat -c %s "$library")
echo "the library shrank from $((before / 1000000)) MB to $((after / 1000000)) MB when xgboost-cpu was installed beside xgboost"
$pip uninstall --yes xgboost
listed=$("$folder/venv/bin/pip" --disable-pip-version-check list | grep -i '^xgboost' | tr -s ' ')
echo "pip lists: $listed"
said=$("$folder/venv/bin/python" -c "import xgboost; xgboost.Booster" 2>&1 | tail -1 || true)
echo "import xgboost: ${said%%:*}"
[ "$after" -lt $((before / 5)) ] && [ "$listed" = "xgboost-cpu 3.2.0" ] && [[ "$said" == *Error* ]]
