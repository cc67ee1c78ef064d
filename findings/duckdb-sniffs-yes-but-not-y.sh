#!/usr/bin/env bash
# DuckDB 2.0.0 (PyPI): its CSV reader takes Yes/No and T/F for booleans, and Y/N for text.
#
# A good engineer would guess that all usual pairs become booleans, or none: pandas makes text of all
# three, and DuckDB's own cast to boolean takes all three ('y' too). The sniffer takes two of them.
#
# Why it matters: two columns that mean the same get two types in one file, and a contract that was
# inferred from one export refuses the next one, where somebody wrote Y for Yes.
#
# Seen:
#   yes: BOOLEAN, t: BOOLEAN, y: VARCHAR; cast('y' as boolean): True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0
cd "$folder"
printf 'yes,t,y\nYes,T,Y\nNo,F,N\nYes,T,Y\n' >answers.csv
said=$(venv/bin/python - <<'PY'
import duckdb
types = duckdb.sql("select * from read_csv('answers.csv')").types
cast = duckdb.sql("select cast('y' as boolean)").fetchall()[0][0]
print(", ".join(f"{n}: {t}" for n, t in zip(("yes", "t", "y"), types)) + f"; cast('y' as boolean): {cast}")
PY
)
echo "$said"
[ "$said" = "yes: BOOLEAN, t: BOOLEAN, y: VARCHAR; cast('y' as boolean): True" ]
