#!/usr/bin/env bash
# DVC 3.67.1 (PyPI): its templates for bars begin the axis at the smallest value.
#
# A good engineer would guess that a bar's length shows its value. `bar_horizontal` and
# `bar_horizontal_sorted` draw with `"scale": {"zero": false}`: the smallest bar has no length at
# all, and the others show differences as if they were ratios.
#
# Why it matters: these templates are made for feature importance. A feature with a third of the
# largest one's importance looks as if it were not used.
#
# Seen:
#   bar_horizontal: zero is False
#   bar_horizontal_sorted: zero is False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1
export DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$folder/site" PATH="$folder/venv/bin:$PATH"
cd "$folder"
dvc init --no-scm --quiet
printf 'feature,importance\na,0.6\nb,0.3\nc,0.1\n' >importance.csv
for template in bar_horizontal bar_horizontal_sorted; do
  cat >dvc.yaml <<YAML
plots:
  - importance: {x: importance, y: {importance.csv: feature}, template: $template}
YAML
  dvc plots show --json >shown.json
  zero=$(python -c "
import json
((drawn,),) = json.load(open('shown.json'))['data'].values()
print(drawn['content']['encoding']['x']['scale']['zero'])")
  echo "$template: zero is $zero"
  [ "$zero" = False ]
done
