"""Secrets are taken out of text, and what is no secret stays."""

from __future__ import annotations

import pytest

from mlops_cli.errors import EnvironmentFault
from mlops_cli.redaction import redact, redact_all


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("no https://u:hunter22@host:1/x?", "no https://***@host:1/x?"),
        ("postgresql+psycopg://u:p@ss/w@host/db", "postgresql+psycopg://***@host/db"),
        ("(https://ghp_abc@github.com/a)", "(https://***@github.com/a)"),
        ("ab://u:p@h cd://v:q@i", "ab://***@h cd://***@i"),
        ("to http:/me:p4ss@host/out.csv", "to http:/***@host/out.csv"),
        ("C:/me@home and file:/a/me@home", "C:/me@home and file:/a/me@home"),
        ('{"uri": "s3://k:v@b", "n": "a@b"}', '{"uri": "s3://***@b", "n": "a@b"}'),
        ("https://h/p?a=1&X-Amz-Signature=abc&b=2", "https://h/p?a=1&X-Amz-Signature=***&b=2"),
        ("https://h/p?access_token=abc;sig=d", "https://h/p?access_token=***"),
        ("Authorization: Basic dTpw, x", "Authorization: Basic *** x"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("ask me@example.com of https://host/x", "ask me@example.com of https://host/x"),
        ("image registry.example.com/a@sha256:12", "image registry.example.com/a@sha256:12"),
    ],
)
def test_logins_and_telling_parameters_are_hidden(text: str, wanted: str) -> None:
    assert redact(text) == wanted


SECRET = "wJalrXUtnFEMI/K7MDENG"


@pytest.mark.parametrize(
    "name",
    [
        *("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD"),
        *("API_KEY", "STRIPE_KEY", "db_pass", "MYSQL_PWD", "AZURE_CREDENTIALS", "OPENAI_APIKEY"),
    ],
)
def test_what_a_telling_variable_holds_is_hidden_wherever_it_stands(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, SECRET)
    assert redact(f"tried '{SECRET}', twice{SECRET}") == "tried '***', twice***"
    assert redact_all({"a": [SECRET, 1, None], "b": {"c": f"x{SECRET}"}}) == {
        "a": ["***", 1, None],
        "b": {"c": "x***"},
    }
    error = EnvironmentFault(f"{SECRET} is refused", hint=f"is {SECRET} right?")
    assert SECRET not in f"{error} {error.message} {error.hint} {error.args} {error!r}"


def test_passwords_of_urls_in_the_environment_are_hidden_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANYTHING", "postgresql://me:p%40ssw0rd@db/x https://tok3n-of-mine@git/x")
    assert redact("p%40ssw0rd p@ssw0rd tok3n-of-mine me db") == "*** *** *** me db"


def test_what_is_no_secret_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("files") / "credentials.json"
    file.write_text("{}")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("SSH_AUTH_SOCK", "agent-socket")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody")
    text = f"{file} is false for somebody at agent-socket"
    assert redact(text) == text


def test_a_private_key_is_hidden_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_KEY", "-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----")
    assert redact("read MIIEvQIBADANBg") == "read ***"
