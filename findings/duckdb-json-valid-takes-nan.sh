#!/usr/bin/env bash
# DuckDB 2.0.0 (PyPI): json_valid and read_json take NaN, Infinity and a trailing comma for JSON.
#
# A good engineer would guess that json_valid says no, as RFC 8259 and Python's strict parsers do
# (msgspec 0.22.0 refuses all three), or that read_json refuses such a line, as it does a torn one.
#
# Why it matters: lines of a log that another reader refuses are taken without a word, so that two
# readers of one file count different rows; and a NaN comes in as a number that is not null, which
# makes every later sum of the column NaN. A check of `json_valid` before the read finds none of it.
#
# Seen:
#   json_valid, NaN: True, Infinity: True, trailing comma: True; msgspec: False, False, False
#   read_json: [(1.0,), (nan,), (inf,), (4.0,)]; sum: nan
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 msgspec==0.22.0
cd "$folder"
printf '{"a": 1}\n{"a": NaN}\n{"a": Infinity}\n{"a": 4,}\n' >log.ndjson
said=$(venv/bin/python - <<'PY'
import duckdb, msgspec

def strict(text):
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True

lines = open("log.ndjson").read().splitlines()[1:]
valid = [duckdb.execute("select json_valid(?)", [line]).fetchall()[0][0] for line in lines]
names = ("NaN", "Infinity", "trailing comma")
told = ", ".join(f"{name}: {is_valid}" for name, is_valid in zip(names, valid))
print(f"json_valid, {told}; msgspec: " + ", ".join(str(strict(line)) for line in lines))
table = "read_json('log.ndjson', format = 'newline_delimited', columns = {a: 'DOUBLE'})"
rows = duckdb.sql(f"select a from {table}").fetchall()
print(f"read_json: {rows}; sum:", duckdb.sql(f"select sum(a) from {table}").fetchall()[0][0])
PY
)
echo "$said"
[ "$said" = "json_valid, NaN: True, Infinity: True, trailing comma: True; msgspec: False, False, False
read_json: [(1.0,), (nan,), (inf,), (4.0,)]; sum: nan" ]
