"""Text of the data in the files of a project: it stays where it was put."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mlops_cli._templates import render
from mlops_cli.config.paths import MODEL
from mlops_cli.scaffold.texts import comment, github_scalar, scalar
from mlops_cli.serving.trust import signature_of

ODD = ["a: b", "- x", "# x", "yes", "", "a\nb: c", 'a"b', "a'b", "a\u2028b", "a\x85b", "\ufeffa",
       "{{ a }}", "${{ github.token }}", "a\tb", "~", "1", "*a", "&a", "!a", "@a"]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("version", [(1, 1), (1, 2)])
def test_a_scalar_is_read_as_the_text_that_it_was(text: str, version: tuple[int, int]) -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    assert yaml.load(f"a: {scalar(text)}\nb: 1\n") == {"a": text, "b": 1}


def test_what_looks_like_an_expression_of_github_is_none() -> None:
    assert github_scalar("a/${{ x }}/${{y}}").count("${{ '${{' }}") == 2
    assert github_scalar("a/b") == "a/b"


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x00"])
def test_no_text_leaves_its_comment(end: str) -> None:
    assert comment(f"a{end}deploy: {{}}") == "a deploy: {}"
    hostile = f"x{end}deploy: {{port: 1}}"
    values = dict.fromkeys(
        ["project", "table", "target", "metric", "contract", "split", "split_why"], "x"
    )
    text = render(
        "project/mlops.yaml.j2",
        **values,
        task="binary",
        yaml=scalar,
        comment=comment,
        task_why=hostile,
        positive={"label": hostile, "why": hostile},
        time="t",
        time_why=hostile,
        features=["a"],
        row=[],
        notes=[hostile],
        warnings={"a": hostile},
        id="",
        left_out=[{"name": hostile, "reason": hostile}],
    )
    assert YAML(typ="safe", pure=True).load(text)["deploy"] == {}


def test_git_leaves_out_a_signature_that_serve_brought(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text(render("project/gitignore.j2", outs=[]))
    (tmp_path / MODEL).mkdir()
    brought = signature_of(tmp_path / MODEL)
    found = subprocess.run(["git", "-C", tmp_path, "check-ignore", "-q", brought], check=False)
    assert found.returncode == 0
