"""`mlops receipt`: what stands behind a number, checked by a program that knows nothing of ours."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

import receipts
from audit_logs import commit, git
from command_line import Mlops
from mlops_cli import collect, load_project, receipt
from mlops_cli.actions.receipt import Asked
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.log import append
from mlops_cli.audit.signatures import sign
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import InconclusiveError, TamperedError, UsageError
from mlops_cli.monitoring.collected.logged import lines_of
from mlops_cli.reports.receipt import verifier


def test_a_receipt_holds_by_itself_with_its_gates_approvals_and_times(
    answered: Path, tmp_path: Path, keys: Path, mlops: Mlops
) -> None:
    copy = shutil.copytree(answered, tmp_path / "p")
    digest = open_bundle(copy / "model").digest
    signing = partial(sign, key=str(keys / "ann"))
    draft = Draft("approve", "done", {"digest": digest, "role": "data-scientist"})
    append(copy, draft, copies=None, sign=signing)
    out, program = tmp_path / "n1.receipt", tmp_path / "check.py"
    arguments = ("--out", out, "--key", keys / "ann", "--verifier", program, "--json")
    result = mlops(copy, "receipt", "n1", *arguments, code=0).result
    assert (result["digest"], result["rows"]) == (digest, 1)
    assert (result["number"], result["signed"]) == (True, True)
    assert program.read_bytes() == verifier().read_bytes()
    shutil.rmtree(copy)  # another machine
    said = receipts.checked_alone(out, "--signers", keys / "signers")
    assert said.code == 0, said.out
    [line] = receipts.entries_of(out)["prediction.jsonl"].splitlines()
    told = json.loads(line)
    for part in (
        "made ",
        "Ann <ann@example.org>; signed by ann@example.org",
        f"model {digest} of parcels predicted {told['time']}, row 0",
        "computes the same, from 5 features each",
        "approve data-scientist done by Ann <ann@example.org>; signed by ann@example.org",
        "register done by",
        "deploy done by",
        "registered with decision.json",
        "registered with dvc.lock",
        "registered with contracts.sha256",
        f"registered with commit {git(answered, 'rev-parse', 'HEAD~1').strip()}",
        "data data/raw/parcels.csv md5 ",
        "gate champion: not_worse: passed; no champion yet",
        "left out: which API key was used",
        "all of it holds",
    ):
        assert part in said.out, part
    (keys / "signers").write_text(
        (keys / "signers").read_text().replace("ann@example.org ", "eve@example.org ")
    )
    said = receipts.checked(out, "--signers", keys / "signers")
    assert said.code == 3
    assert "approve data-scientist done by Ann <ann@example.org>; NOT signed by" in said.out
    said = receipts.checked(out)
    assert said.code == 0
    assert "signed, and nobody says whose keys count" in said.out


def test_several_rows_of_a_request_are_one_receipt(answered: Path, tmp_path: Path) -> None:
    made = receipt(load_project(answered), "three", tmp_path / "three")
    assert made.rows == 3
    said = receipts.checked(tmp_path / "three")
    assert said.code == 0, said.out
    assert [f"row {n}: " in said.out for n in range(3)] == [True] * 3


def planted(answered: Path, tmp_path: Path, **changes: Any) -> Path:
    """A copy with one more line in its collected log: that of the request `n1`, changed."""
    copy = Path(shutil.copytree(answered, tmp_path / "planted"))
    line = msgspec.to_builtins(lines_of(load_project(copy), "n1")[0])
    inputs = line["inputs"] | changes.pop("inputs", {})
    line |= {"request_id": "planted", "key": None, **changes}
    line["inputs"] = {k: v for k, v in inputs.items() if v is not ...}
    (tmp_path / "planted.ndjson").write_text(json.dumps(line) + "\n")
    collect(load_project(copy), files=[tmp_path / "planted.ndjson"])
    return copy


@pytest.mark.parametrize("value", ["sha256:" + "ab" * 32, ...], ids=["hashed", "left out"])
def test_what_the_log_does_not_keep_is_named_and_partial_does_without(
    answered: Path, tmp_path: Path, value: Any, mlops: Mlops
) -> None:
    copy = planted(answered, tmp_path, inputs={"depot": value})
    out = tmp_path / "receipt"
    with pytest.raises(InconclusiveError, match="has not what was sent of `depot`"):
        receipt(load_project(copy), "planted", out)
    assert not out.exists()
    said = mlops(copy, "receipt", "planted", "--out", out, "--partial", code=0).out
    assert "without the number" in said
    assert "left out: inputs that were not sent, or that the log does not keep: depot" in said
    checked = receipts.checked(out)
    assert checked.code == 3
    assert "? the number was not computed again: no features are in it" in checked.out
    assert "left out: inputs that were not sent, or that the log does not keep: depot" in (
        checked.out
    )


def test_a_log_without_the_features_digest_is_taken_at_the_receipts_word(
    answered: Path, tmp_path: Path
) -> None:
    copy = planted(answered, tmp_path, features=None)
    assert receipt(load_project(copy), "planted", tmp_path / "receipt").number
    said = receipts.checked(tmp_path / "receipt")
    assert said.code == 3
    assert "? the log has no digest of the features" in said.out
    assert "computes the same" in said.out


def test_what_there_is_no_receipt_of_is_said(answered: Path, tmp_path: Path, mlops: Mlops) -> None:
    out = ("--out", tmp_path / "receipt")
    assert "has no request n99" in mlops(answered, "receipt", "n99", *out, code=2).said
    assert "--version" in mlops(answered, "receipt", "n1", *out, "--version", "0" * 12, code=2).said
    assert "Missing option '--out'" in mlops(answered, "receipt", "n1", code=2).said
    assert "does not sign" in mlops(answered, "receipt", "n1", *out, "--key", "none", code=2).said
    assert not (tmp_path / "receipt").exists()
    assert str(tmp_path) in mlops(answered, "receipt", "n1", "--out", tmp_path, code=8).said


def test_a_request_that_was_not_sampled_is_told_so(answered: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(answered, tmp_path / "p"))
    with (copy / "mlops.yaml").open("a") as file:
        file.write("serve: {log: {sample: 0.001}}\n")
    with pytest.raises(UsageError, match=r"not in the sample that is kept .*0\.001"):
        receipt(load_project(copy), "n99", tmp_path / "receipt")
    made = receipt(load_project(copy), "n1", tmp_path / "receipt")
    assert "other requests: the log keeps 0.001 of them (serve.log.sample)" in made.left_out


def test_nothing_collected_a_failed_request_and_other_versions(
    answered: Path, tmp_path: Path
) -> None:
    copy = planted(answered, tmp_path, prediction=None, features=None, error="BundleError")
    out = tmp_path / "receipt"
    with pytest.raises(UsageError, match=r"there is no number: \w+ failed at the request"):
        receipt(load_project(copy), "planted", out)
    line = msgspec.to_builtins(lines_of(load_project(answered), "n1")[0])
    others = [line | {"version": "0" * 12, "key": None}, line | {"variant": "shadow", "key": None}]
    (tmp_path / "others.ndjson").write_text("".join(json.dumps(x) + "\n" for x in others[:1]))
    collect(load_project(copy), files=[tmp_path / "others.ndjson"])
    with pytest.raises(UsageError, match="several versions answered the request n1"):
        receipt(load_project(copy), "n1", out)
    with pytest.raises(UsageError, match="knows no version 000000000000"):
        receipt(load_project(copy), "n1", out, asked=Asked(version="0" * 12))
    receipt(load_project(copy), "n1", out, asked=Asked(version=line["version"]))
    (tmp_path / "shadow.ndjson").write_text(
        json.dumps(others[1] | {"request_id": "shadowed"}) + "\n"
    )
    collect(load_project(copy), files=[tmp_path / "shadow.ndjson"])
    with pytest.raises(UsageError, match="no version but a shadow answered"):
        receipt(load_project(copy), "shadowed", out)
    shutil.rmtree(copy / "monitoring")
    with pytest.raises(UsageError, match="no prediction log was collected"):
        receipt(load_project(copy), "n1", out)


def test_papers_that_are_gone_are_left_out_and_a_changed_log_is_no_ground(
    answered: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(answered, tmp_path / "p"))
    shutil.rmtree(copy / ".git")
    (copy / "dvc.lock").write_text("stages: {}\n")
    (copy / "contracts/parcels.yaml").write_text("columns: {}\n")
    made = receipt(load_project(copy), "n1", tmp_path / "receipt")
    for name in ("dvc.lock", "contracts.sha256", "commit"):
        assert f"{name}: this clone does not have the one of that registration" in made.left_out
    said = receipts.checked(tmp_path / "receipt")
    assert said.code == 3, said.out
    assert "registered with decision.json" in said.out
    assert "? dvc.lock is not in it" in said.out
    log = copy / "governance/audit.jsonl"
    log.write_text(log.read_text().replace('"done"', '"failed"', 1))
    with pytest.raises(TamperedError, match="does not verify"):
        receipt(load_project(copy), "n1", tmp_path / "receipt")


def test_an_earlier_registration_is_found_in_gits_history(answered: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(answered, tmp_path / "p"))
    for name in ("dvc.lock", "decision.json", "contracts/parcels.yaml"):
        with (copy / name).open("a") as file:
            file.write("\n")
    commit(copy)
    made = receipt(load_project(copy), "n1", tmp_path / "receipt")
    lacking = [text for text in made.left_out if "this clone does not have" in text]
    assert [text.partition(":")[0] for text in lacking] == []
    assert "registered with dvc.lock" in receipts.checked(tmp_path / "receipt").out
