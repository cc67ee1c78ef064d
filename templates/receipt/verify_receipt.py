"""Check a receipt of a prediction, anywhere and offline: `python verify_receipt.py FILE`.

It needs Python 3.11, the model's own library (xgboost or onnxruntime, with NumPy), and nothing of
mlops-cli. --signers FILE (OpenSSH's allowed signers) says whose signatures count: by `ssh-keygen`.
Exit code 0: all of it holds; 1: something does not; 3: something, marked by ?, was not checked.
"""

import argparse
import hashlib
import json
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

HEADER = re.compile(r"mlops-receipt 1 ([0-9a-f]{64}) ([0-9a-f]{64}) (\d{1,9}) (\d{1,9}) (\w{64})")
KNOWN = "format project task target classes model inputs features python modules files id sensitive"
EVIDENCE = {"decision": "decision.json", "data": "dvc.lock", "contracts": "contracts.sha256",
            "environment": "environment", "code": "commit"}  # fmt: skip
canonical = partial(json.dumps, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
OPEN: list[str] = []


def say(text: str, *, sure: bool = True, mark: str = " ") -> None:
    """A line of the report, in which no text is more than text; what is not sure stays open."""
    OPEN.extend([] if sure else [text])
    print(mark if sure else "?", text if text.isprintable() else ascii(text))


def sha(content: bytes) -> str:
    """The sha256, in hex."""
    return hashlib.sha256(content).hexdigest()


def unpack(raw: bytes) -> dict[str, bytes]:
    """The entries by name; any byte that was changed is of one that the fault names."""
    told = HEADER.fullmatch(raw.partition(b"\n")[0].decode("latin-1"))
    if not told or sha(told[0][:-65].encode()) != told[5]:
        raise ValueError("header: it is not what was written")
    at, entries = len(told[0]) + 1, {}
    parts = [("index", told[1], int(told[3])), ("signature", told[2], int(told[4]))]
    while parts:
        name, digest, size = parts.pop(0)
        entries[name], at = raw[at : at + size], at + size
        if sha(entries[name]) != digest:
            raise ValueError(f"{name}: it is not what was written")
        if name == "signature":
            parts = [(x["name"], x["sha256"], x["bytes"]) for x in json.loads(entries["index"])]
    if at != len(raw):
        raise ValueError("end: something follows the last entry")
    return entries


def predict(manifest: Any, e: dict[str, bytes], rows: list[list[float]]) -> tuple[Any, str]:
    """The numbers of the model's own library, and its name with version."""
    matrix = import_module("numpy").array(rows, dtype="float32")
    if manifest["model"] == "xgboost":
        xgb = import_module("xgboost")
        booster, data = xgb.Booster(model_file=bytearray(e["model/model.ubj"])), xgb.DMatrix(matrix)
        return booster.predict(data, validate_features=False), f"xgboost {xgb.__version__}"
    ort = import_module("onnxruntime")
    session = ort.InferenceSession(e["model/model.onnx"], providers=["CPUExecutionProvider"])
    found = session.run([session.get_outputs()[-1].name], {session.get_inputs()[0].name: matrix})[0]
    column = {"binary": found.shape[1] - 1, "regression": 0}.get(manifest["task"])
    return found if column is None else found[:, column], f"onnxruntime {ort.__version__}"


def differs(manifest: Any, number: Any, said: dict[str, Any]) -> dict[str, Any] | None:
    """What the model says, where that is not what was said within 1e-6 + 1e-5 |y|."""
    classes, probabilities = manifest.get("classes"), said.get("probabilities", {})
    if manifest["task"] == "regression":
        found = {"value": float(number)}
    elif manifest["task"] == "binary":
        found = {"probability": float(number), "label": classes[int(number >= 0.5)]}
    else:
        keys = [str(c).lower() if isinstance(c, bool) else str(c) for c in classes]
        numbers = dict(zip(keys, map(float, number), strict=True))
        found = {**numbers, "label": classes[int(number.argmax())]}
    told, near = said | probabilities, partial(math.isclose, rel_tol=1e-5, abs_tol=1e-6)
    good = [near(v, told[k]) if isinstance(v, float) else v == told[k] for k, v in found.items()]
    return None if all(good) else found


def check_model(digest: str, e: dict[str, bytes]) -> None:
    """From the digest of the version that answered to the model's files, and to the number."""
    manifest = json.loads(e["model/manifest.json"])
    lines = [json.loads(line) for line in e["prediction.jsonl"].splitlines()]
    if sha(e["model/manifest.json"]) != digest or any(x["version"] != digest[:12] for x in lines):
        raise ValueError("model/manifest.json: it is not of the version that answered")
    for name in (n for n in e if n.startswith("model/") and n != "model/manifest.json"):
        if sha(e[name]) != manifest["files"].get(name[6:], {}).get("sha256"):
            raise ValueError(f"{name}: it is not the file that the manifest names")
    for line in lines:
        said = f"{line['time']}, row {line['row']}: {json.dumps(line['prediction'])}"
        say(f"model {digest} of {manifest['project']} predicted {said}")
    if "features.json" in e and not manifest.keys() - set(KNOWN.split()):
        return check_number(manifest, lines, e)
    why = "the manifest is of a later form" if "features.json" in e else "no features are in it"
    return say(f"the number was not computed again: {why}", sure=False)


def check_number(manifest: Any, lines: list[Any], e: dict[str, bytes]) -> None:
    """The features are those of the log's digest, and the model's library predicts the same."""
    features = json.loads(e["features.json"])
    rows = [[math.nan if v is None else v for v in row] for row in features["rows"]]
    if features["names"] != [f["name"] for f in manifest["features"]]:
        raise ValueError("features.json: they are not the features of the manifest")
    for line, row in zip(lines, rows, strict=True):
        if line["features"] is None:
            say("the log has no digest of the features: they are the receipt's word", sure=False)
        elif sha(struct.pack(f"<{len(row)}f", *row)) != line["features"]:
            raise ValueError(f"features.json: row {line['row']} has another digest in the log")
    try:
        numbers, library = predict(manifest, e, rows)
    except ImportError as problem:
        return say(f"the number was not computed again: {problem}", sure=False)
    for line, number in zip(lines, numbers, strict=True):
        if found := differs(manifest, number, line["prediction"]):
            raise ValueError(f"prediction.jsonl: row {line['row']}: {library} computes {found}")
    return say(f"{library} computes the same, from {len(features['names'])} features each")


def by(content: bytes, signature: str | None, actor: str, time: str, signers: Path | None) -> str:
    """Who signed it, in words; only a key of the actor's own counts, and if it was valid then."""
    who = actor[actor.rfind("<") + 1 :].rstrip(">")
    if not signature or signers is None:
        return "signed, and nobody says whose keys count" if signature else "not signed"
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_text(signature)
        given = ["-Y", "verify", "-n", "mlops", "-f", str(signers), "-I", who, "-s", file.name]
        given.append(f"-Overify-time={re.sub('[^0-9]', '', time)[:14]}")
        done = subprocess.run(["ssh-keygen", *given], input=content, capture_output=True,
                              check=False, env={**os.environ, "TZ": "UTC"})  # fmt: skip
    return f"NOT signed by {who}" if done.returncode else f"signed by {who}"


def check_log(told: Any, e: dict[str, bytes], signers: Path | None) -> None:
    """What was decided of the version, by whom, when, and on which evidence."""
    evidence: dict[str, str] = {}
    for line in e["audit.jsonl"].splitlines():
        entry = json.loads(line)
        rest = {k: v for k, v in entry.items() if k != "id"}
        if canonical(entry).encode() != line or sha(canonical(rest).encode()) != entry["id"]:
            raise ValueError(f"audit.jsonl: entry {entry['id'][:12]} is not what its id says")
        subject, time, who = entry["subject"], entry["time"], entry["actor"]
        bare = canonical({k: v for k, v in rest.items() if k != "signature"})
        sign = by(bare.encode(), entry["signature"], who, time, signers)
        what = f"{entry['action']} {subject.get('role', '')} {entry['outcome']}".replace("  ", " ")
        say(f"{time} {what} by {who}; {sign}", sure=not sign.startswith("NOT"))
        if (subject.get("digest"), *what.split()) == (told["digest"], "register", "done"):
            evidence = entry["evidence"]
    for kind, name in EVIDENCE.items():
        wanted, content = evidence.get(kind, ""), e.get(name, b"")
        if kind == "code":  # a commit's name is the digest of its content, as git has it
            content = b"commit %d\0" % len(content) + content
        if name not in e:
            say(f"{name} is not in it", sure=bool(evidence) and not wanted)
        elif hashlib.new("sha1" if len(wanted) == 40 else "sha256", content).hexdigest() != wanted:
            raise ValueError(f"{name}: it is not what the version was registered with")
        else:
            say(f"registered with {name} {wanted}")
    tables = rb"path: (data/\S+)\s+hash: md5\s+md5: (\w+)"
    for path, md5 in sorted(set(re.findall(tables, e.get("dvc.lock", b"")))):
        say(f"data {path.decode()} md5 {md5.decode()}")
    for gate in json.loads(e.get("decision.json", b'{"gates": []}'))["gates"]:
        say(f"gate {gate['gate']}: {gate['verdict']}; {gate['why']}")


def main() -> int:
    """Check the receipt that the command line names."""
    parser = argparse.ArgumentParser(description="Check a receipt of a prediction.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--signers", type=Path, help="whose signatures count: allowed signers")
    asked = parser.parse_args()
    try:
        e = unpack(asked.file.read_bytes())
        told = json.loads(e["receipt.json"])
        sign = by(e["index"], e["signature"].decode(), told["by"], told["made"], asked.signers)
        what = f"receipt of request {told['request_id']}, made {told['made']} by {told['by']}"
        say(f"{what}; {sign}", sure=not sign.startswith("NOT"))
        check_model(told["digest"], e)
        check_log(told, e, asked.signers)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as problem:
        say(str(problem) or type(problem).__name__, mark="FAULT")
        return 1
    for text in told["left_out"]:
        say(text, mark="- left out:")
    print("something could not be checked" if OPEN else "all of it holds")
    return 3 if OPEN else 0


if __name__ == "__main__":
    sys.exit(main())
