"""GitHub as far as a workflow's `run:` lines see it: expressions, outputs, and `gh`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXPRESSION = re.compile(r"\$\{\{ (.*?) \}\}")
GH = '''#!{python}
"""gh api, against the comments of one pull request in a file; it records what it was asked."""
import json, os, subprocess, sys
from pathlib import Path
here = Path(__file__).parent
comments = json.loads((here / "comments.json").read_text())
asked = sys.argv[1:]
assert asked.pop(0) == "api", asked
assert os.environ["GH_TOKEN"], "gh asks for a login"
options = {{}}
path = None
while asked:
    word = asked.pop(0)
    if word in ("--paginate", "--silent"):
        options[word] = True
    elif word in ("--jq", "--method", "--field"):
        options[word] = asked.pop(0)
    else:
        assert path is None and not word.startswith("-"), word
        path = word
method = options.get("--method", "GET")
with (here / "asked.jsonl").open("a") as f:
    f.write(json.dumps([method, path]) + "\\n")
if method == "GET":
    for page in (comments[:1], comments[1:]):
        done = subprocess.run(["jq", "-r", options["--jq"]], input=json.dumps(page), text=True)
        if done.returncode:
            sys.exit(done.returncode)
    sys.exit()
if os.environ.get("READ_ONLY"):
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
name, _, file = options["--field"].partition("=@")
assert name == "body"
body = Path(file).read_text()
assert len(body) < 65536
if method == "POST":
    assert path == "repos/team/models/issues/7/comments", path
    user = {{"login": "github-actions[bot]"}}
    comments.append({{"id": 100 + len(comments), "user": user, "body": body}})
else:
    (one,) = [c for c in comments if path == f"repos/team/models/issues/comments/{{c['id']}}"]
    one["body"] = body
(here / "comments.json").write_text(json.dumps(comments))
'''


def install_gh(folder: Path, comments: list[dict[str, Any]]) -> None:
    """Put a `gh` into `folder` that knows these comments of pull request 7 of team/models."""
    folder.mkdir()
    program(folder / "gh", GH.format(python=sys.executable))
    (folder / "comments.json").write_text(json.dumps(comments))


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


class Runner:
    """Runs a job's steps in `folder`; `values` are what GitHub would put for its expressions."""

    def __init__(self, folder: Path, temporary: Path, *, tools: Path | None = None) -> None:
        self.folder = folder
        self.temporary = temporary
        self.summary = temporary / "summary.md"
        self.outputs: dict[str, str] = {}
        self.log = ""
        temporary.mkdir(exist_ok=True)
        paths = [str(p) for p in (tools, Path(sys.executable).parent) if p]
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([*paths, os.environ["PATH"]]),
            "RUNNER_TEMP": str(temporary),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(temporary / "output"),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "team/models",
            "GITHUB_RUN_ID": "42",
            "GITHUB_RUN_ATTEMPT": "1",
        }

    def step(
        self, job: Mapping[str, Any], name: str, values: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run one step as GitHub's `shell: bash` does; an expression without value is an error."""
        (step,) = [s for s in job["steps"] if s.get("name") == name]
        stated = {**job.get("env", {}), **step.get("env", {})}
        filled = {
            key: EXPRESSION.sub(lambda m: values[m[1]], str(text)) for key, text in stated.items()
        }
        output = Path(self.environment["GITHUB_OUTPUT"])
        output.write_text("")
        assert not EXPRESSION.search(step["run"]), "an expression in a script is an injection"
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={**self.environment, **filled},
            capture_output=True,
            text=True,
            check=False,
        )
        self.log = f"{name}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        for key, value in _outputs(output.read_text()).items():
            self.outputs[f"steps.{step['id']}.outputs.{key}"] = value
        return done

    def needs(self, name: str, job: Mapping[str, Any]) -> dict[str, str]:
        """The job's outputs, as a job that needs it names them in its expressions."""
        return {
            f"needs.{name}.outputs.{key}": EXPRESSION.sub(lambda m: self.outputs[m[1]], text)
            for key, text in job["outputs"].items()
        }


def _outputs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, sign, rest = re.fullmatch(r"(\w+)(=|<<)(.*)", line).groups()  # type: ignore[union-attr]
        if sign == "=":
            found[name] = rest
        else:
            value = []
            while (more := next(lines)) != rest:
                value.append(more)
            found[name] = "\n".join(value)
    return found
