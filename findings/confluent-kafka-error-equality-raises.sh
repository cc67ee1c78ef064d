#!/usr/bin/env bash
# confluent-kafka 2.16.1 (PyPI): `error == None` of a KafkaError gives an answer and leaves a
# TypeError set beside it, so that a call that comes next raises a SystemError.
#
# A good engineer would guess that `error == None` is False, as for every object of Python: `==`
# with what it does not know returns NotImplemented. `message.error()` is None or a KafkaError, so
# that both stand beside each other in any list of a batch's errors.
#
# Why it matters: a batch is asked for its errors in one call (`errors.count(None)`, a `map` of
# `operator.ne`) as long as it has none; with the first error that call ends in a SystemError
# that tells nothing of the topic. `is None` is right.
#
# Seen:
#   if == None: SystemError, count: SystemError, index: SystemError, ne: SystemError, is None: False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check confluent-kafka==2.16.1
said=$("$folder/venv/bin/python" - <<'PY'
import operator

from confluent_kafka import KafkaError

error = KafkaError(KafkaError._PARTITION_EOF)
errors = [None, error]

def asked():
    if error == None:  # noqa: E711
        return True
    return False

tries = {
    "if == None": asked,
    "count": lambda: errors.count(None),
    "index": lambda: errors.index(error),
    "ne": lambda: list(map(operator.ne, errors, [None, None])),
    "is None": lambda: error is None,
}

def told(made):
    try:
        return str(made())
    except Exception as e:
        return type(e).__name__

print(", ".join(f"{name}: {told(made)}" for name, made in tries.items()))
PY
)
echo "$said"
[ "$said" = "if == None: SystemError, count: SystemError, index: SystemError, ne: SystemError, is None: False" ]
