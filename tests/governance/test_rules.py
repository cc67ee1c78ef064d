"""One way to the rules: as the main line has them, for whoever asks, whatever a work tree says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from approving import RULES, YAML, be, candidate, commit
from audit_logs import git
from mlops_cli.actions.approve import approve
from mlops_cli.actions.audit import audit_log
from mlops_cli.actions.doctor import doctor
from mlops_cli.actions.promote import promote
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.cli.decisions import render_approve, render_promote
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.errors import GateError
from mlops_cli.governance.decide import by_other_gates, evaluate
from mlops_cli.governance.decision import Decision
from mlops_cli.governance.gates.base import Case
from mlops_cli.governance.residency import refuse_elsewhere
from mlops_cli.tracking import open_tracker
from tracking.conftest import make_bundle

SIGNERS = "governance/allowed_signers"
SIGNED = YAML + RULES + f"  signers: {SIGNERS}\n"
CONVENTION = "names are git's own"


@pytest.fixture
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key of OpenSSH's."""
    file = tmp_path_factory.mktemp("keys") / "key"
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "key", "-f", file]
    subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
    return file


def sign_by(root: Path, key: Path) -> None:
    """Commit that this key signs for everybody."""
    kind, public, _ = key.with_suffix(".pub").read_text().split()
    (root / "governance").mkdir(exist_ok=True)
    (root / SIGNERS).write_text(f'* valid-after="20200101" {kind} {public}\n')
    git(root, "add", SIGNERS)
    commit(root, SIGNED)


def told_by_doctor(project: Project) -> tuple[bool, str]:
    found = next(check for check in doctor(project).checks if check.name == "signers")
    return found.healthy, found.found


def test_signers_are_those_of_the_main_line_for_all_who_ask(
    project: Project, key: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project.root
    monkeypatch.setattr("mlops_cli.actions.doctor.exercises", lambda **_: ())
    assert told_by_doctor(project)[1].startswith("names are a convention")
    commit(root, SIGNED)
    found = told_by_doctor(load_project(root))
    assert (found[0], f"{SIGNERS}, which is not there" in found[1]) == (False, True)
    sign_by(root, key)
    (root / "mlops.yaml").write_text(YAML + RULES)  # edits that nobody has committed
    (root / SIGNERS).unlink()
    edited = load_project(root)
    assert told_by_doctor(edited) == (True, f"{SIGNERS} can be read, every key from some time on")
    candidate(edited, "one")
    be(monkeypatch, "a@x.org")
    given = approve(edited, role="scientist", key=key)
    render_approve(given)
    assert [a.by for a in given.approvals] == ["a@x.org"]
    assert list(audit_log(edited).signed.values()) == ["a@x.org"]
    made = promote(edited, break_glass=True, reason="now")
    render_promote(made)
    assert CONVENTION not in capsys.readouterr().out


def test_without_signers_names_are_told_to_be_a_convention(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate(project, "one")
    be(monkeypatch, "a@x.org")
    render_approve(approve(project, role="scientist"))
    assert CONVENTION in capsys.readouterr().out
    render_promote(promote(project, break_glass=True, reason="now"))
    assert CONVENTION in capsys.readouterr().out


def test_residency_is_what_the_main_line_says(project: Project) -> None:
    root, told = project.root, "deploy: {regions: {local: us-east-1}}\n"
    commit(root, f"{YAML}governance: {{residency: eu}}\n{told}")
    (root / "mlops.yaml").write_text(YAML + told)
    with pytest.raises(GateError, match=r"residency is eu, and local is in us-east-1"):
        refuse_elsewhere(load_project(root), "local")
    git(root, "checkout", "-qb", "elsewhere")
    commit(root, f"{YAML}governance: {{residency: us}}\n{told}")
    with pytest.raises(GateError, match=r"residency is eu, and local is in us-east-1"):
        refuse_elsewhere(load_project(root), "local")


ROLES = "governance: {roles: {scientist: [a@x.org]}}\n"
STRICT = (
    f"{YAML}{ROLES}register: {{approvals: [scientist], gates: [{{metric: roc_auc, min: 0.9}}]}}\n"
)


def judge(project: Project) -> Decision:
    """What the gates say of a bundle whose roc_auc is 0.7."""
    folder = project.root / "bundles/judged"
    bundle = open_bundle(folder) if folder.exists() else make_bundle(folder)
    return evaluate(Case(project, bundle, {"roc_auc": 0.7}, open_tracker(project), None))


def test_gates_are_those_of_the_main_line_where_approvals_are_asked(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, lax = project.root, "register: {gates: [{metric: roc_auc, min: 0.6}]}\n"
    commit(root, STRICT)
    (root / "mlops.yaml").write_text(STRICT.replace("0.9", "0.6"))
    assert not judge(load_project(root)).passed  # no edit
    git(root, "switch", "-qc", "mine")
    commit(root, STRICT.replace("0.9", "0.6"))
    branch = load_project(root)
    decision = judge(branch)  # no branch
    assert not decision.passed
    assert decision.asked == ({"metric": "roc_auc", "min": 0.9},)
    assert not by_other_gates(branch, decision)
    monkeypatch.setenv("DVC_EXP_NAME", "try")
    assert judge(branch).passed  # which registers nothing
    monkeypatch.delenv("DVC_EXP_NAME")

    git(root, "switch", "-q", "main")
    commit(root, STRICT.replace("0.9", "0.8"))
    assert by_other_gates(load_project(root), decision)  # it is judged again
    git(root, "switch", "-q", "mine")
    commit(root, f"{YAML}{lax}")
    assert not judge(load_project(root)).passed  # nor does who asks for nothing
    git(root, "switch", "-q", "main")
    commit(root, f"{YAML}{lax}")
    (root / "mlops.yaml").write_text(f"{YAML}register: {{gates: []}}\n")
    free = load_project(root)
    assert judge(free).gates == ()  # without approvals the configuration in force counts
    assert judge(free).asked is None
