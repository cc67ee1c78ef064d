"""What may not stand in a file of a project, and what looks like it and may."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_cli.config.load import load_project
from mlops_cli.config.written import secrets_in_files
from mlops_cli.contracts.model import Contract, load_contract
from mlops_cli.contracts.write import write_contract
from mlops_cli.errors import UsageError
from mlops_cli.secret_forms import find_secret
from trips import git

# Put together here, so that no scanner takes this file for one that leaks.
SECRETS = [
    "http://bob:hunter2pw@example.com/mlflow",
    "postgresql://bob:hunter2/pw@db/x",
    "redis://:hunter2pw@cache:6379/0",
    "http://${USER}:hunter2pw@example.com",
    "http://bob:${A}x@example.com",
    "postgresql://db/x?user=bob&password=hunter2pw",
    "https://x.blob.example.com/a?sv=1&signature=abc",
    "AK" "IA" + "Q" * 16,
    "aws_secret_access_key: " + "a" * 40,
    "DefaultEndpointsProtocol=https;Account" "Key=" + "a" * 86 + "==",
    "AI" "za" + "a" * 35,
    "gh" "p_" + "a1" * 18,
    "github" "_pat_" + "a1" * 20,
    "gl" "pat-" + "a1" * 10,
    "xo" "xb-" + "1" * 12,
    "https://hooks.slack" ".com/services/T0/B0/x",
    "s" "k-" + "a1" * 24,
    "s" "k-proj-" + "a1-" * 10,
    "-----BEGIN RSA PRIVATE" " KEY-----",
    "-----BEGIN PRIVATE" " KEY-----",
    "ey" "J" + "a" * 20 + ".ey" "J" + "a" * 20 + "." + "a" * 20,
    "Authorization: Bearer abcdefgh12345678",
]  # fmt: skip
HARMLESS = [
    "http://${MLFLOW_USER}:${MLFLOW_PASSWORD}@example.com/mlflow",
    "http://bob:***@example.com",
    "http://bob@example.com",
    "http://example.com:5000/a@b",
    "http://localhost:5000",
    "sqlite:////home/me@work/x.db",
    "git@example.com:team/project",
    "kind load docker-image {image}",
    "https://example.com/a?${QUERY}",
    "postgresql://db/x?password=${PASSWORD}",
    "sk-learn-is-what-people-call-it-and-a-category",
    "ghost_story, asia, AKIA, eyJ, a://b",
    "token_count: length(text)",
    "Authorization: Bearer ${TOKEN}",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_found_by_its_form(text: str) -> None:
    found = find_secret(f"a: 1\nb: {text}\n")
    assert found is not None
    assert found[0] == 2


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_none_is_left_alone(text: str) -> None:
    assert find_secret(f"a: 1\nb: {text}\n") is None


CONFIG = "project: p\ntask: binary\ndata: {table: t.csv, target: y}\n"
URI = "http://bob:hunter2pw@example.com"


def refused(action: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        action()  # type: ignore[operator]
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


def test_a_login_in_the_configuration_is_refused_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(f'{CONFIG}tracking: {{uri: "{URI}"}}\n')
    error = refused(lambda: load_project(tmp_path))
    assert error.message.startswith("mlops.yaml, line 4: a URL with a password")
    assert "${VAR}" in (error.hint or "")


def test_a_comment_and_an_overlay_go_to_git_too(tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(f"{CONFIG}# tracking: {URI}\n")
    assert "line 4" in refused(lambda: load_project(tmp_path)).message
    (tmp_path / "mlops.yaml").write_text(CONFIG)
    (tmp_path / "mlops.prod.yaml").write_text(f"tracking:\n  uri: {URI}\n")
    error = refused(lambda: load_project(tmp_path, env="prod"))
    assert error.message.startswith("mlops.prod.yaml, line 2")


def test_what_a_variable_brings_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE", URI)
    (tmp_path / "mlops.yaml").write_text(f"{CONFIG}tracking: {{uri: '${{STORE}}'}}\n")
    assert load_project(tmp_path).config.tracking.uri == URI


def test_a_contract_is_neither_read_nor_written_with_one(tmp_path: Path) -> None:
    file = tmp_path / "contracts/t.yaml"
    file.parent.mkdir()
    file.write_text(f"columns: {{a: {{type: text, categories: ['{URI}']}}}}\n")
    assert refused(lambda: load_contract(file)).message.startswith("t.yaml, line 1")
    file.unlink()
    columns = {"a": {"type": "text", "categories": [URI, "b"]}}
    contract = Contract.model_validate({"columns": columns})
    error = refused(lambda: write_contract(file, contract, table="t.csv"))
    assert "the contract of t.csv" in error.message
    assert not file.exists()


def test_every_file_that_git_keeps_or_would_add_is_looked_at(tmp_path: Path) -> None:
    secret = SECRETS[0]
    kept = ("../.github/workflows/w.yml", ".dvc/config", "README.md", "examples/request.json",
            "templates/image/Dockerfile.j2", "tests/test_a.py")  # fmt: skip
    root = tmp_path / "project"
    for name in (*kept, "data/raw/t.csv", "../elsewhere.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).resolve().write_text(f"[{{\n  'a': '{secret}'}}]\n")
    (root / "large.txt").write_text(" " * 1_000_000 + secret)
    (root / "binary").write_bytes(b"\0" + secret.encode())
    (root / ".gitignore").write_text("/data\n")
    git(tmp_path, "init", "--quiet")
    git(root, "add", "tests")
    found = dict(secrets_in_files(root))
    assert sorted(found) == [f"{name}, line 2" for name in sorted(kept)]
    assert {*found.values()} == {"a URL with a password"}
