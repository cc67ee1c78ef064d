#!/usr/bin/env bash
# msgspec 0.22.0 (PyPI): two threads that decode a type for the first time end the process (SIGSEGV).
#
# A good engineer would guess that `msgspec.json.decode(body, type=T)` may be called from any
# thread: its issue 401 says that all functionality is thread-safe, and the GIL is there.
#
# Why it matters: a type is prepared at its first use, and stands on the class before its fields
# are; preparing runs Python code, between whose steps another thread may take the half of it. A
# server that decodes its first requests in two threads, or a Spark Connect server whose tasks are
# threads, dies without a traceback, once in a while, and only right after its start.
#
# What helps: make a decoder where the type is defined (`msgspec.json.Decoder(T)`), as the lock of
# the import holds then.
#
# Seen: the same code without that line ends with 139, with it with 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "msgspec==0.22.0"
cat >"$folder/first.py" <<'PY'
import sys
import threading

import msgspec

sys.setswitchinterval(1e-6)  # rare, else
BODY = b'{"f29": [{"a29": 1}]}'


def both(kind, gate):
    gate.wait()
    msgspec.json.decode(BODY, type=kind)


for i in range(300):
    inner = msgspec.defstruct(f"I{i}", [(f"a{j}", "int | None", None) for j in range(30)])
    empty = msgspec.field(default_factory=list)
    kind = msgspec.defstruct(f"S{i}", [(f"f{j}", list[inner], empty) for j in range(30)])
    if sys.argv[1] == "ready":
        msgspec.json.Decoder(kind)
    gate = threading.Barrier(4)
    threads = [threading.Thread(target=both, args=(kind, gate)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
PY
set +e
"$folder/venv/bin/python" "$folder/first.py" first 2>/dev/null
first=$?
"$folder/venv/bin/python" "$folder/first.py" ready
ready=$?
echo "first use in threads: $first, made ready before: $ready"
[ "$first" = 139 ] && [ "$ready" = 0 ]
