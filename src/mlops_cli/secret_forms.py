"""Literals that are secrets by their form, in files that go to git: refused where they are read.

The forms are those that their makers publish so that scanners find them; what a secret looks like
any other text (a plain password) cannot be told from it.
"""

from __future__ import annotations

import re

from mlops_cli.errors import UsageError

# What a text of the form holds at the least, what it is, and the form.
_FORMS = tuple(
    (needle, what, re.compile(pattern))
    for needle, what, pattern in (
        # A port with a path behind it is no password; `${VAR}` and `***` stand for one.
        ("://", "a URL with a password",
         r"(?<![\w+.-])[A-Za-z][\w+.-]*://[^\s/@:'\"<>]*:(?!\d{1,5}(?:/|$))(?!\$\{\w+\}@|\$\{\{[^}]*\}\}@|\*+@)[^\s'\"<>]+@"),
        ("://", "a URL with a secret parameter",
         r"(?<![\w+.-])[A-Za-z][\w+.-]*://[^\s'\"<>]*[?&;][\w-]*(?i:passw|pwd|secret|token|signature|api-?_?key)"
         r"[\w-]*=(?!\$\{|\*+)[^\s&'\"<>]+"),
        ("PRIVATE KEY", "a private key", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"),
        ("AGE-SECRET-KEY-", "a private key of age", r"AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
        ("A", "an access key of AWS", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
        ("aws", "a secret key of AWS",
         r"(?i:aws_?secret_?access_?key)\W{1,6}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"),
        ("AccountKey=", "a key of Azure", r"AccountKey=[A-Za-z0-9+/=]{60,}"),
        ("AIza", "a key of Google", r"\bAIza[\w-]{35}"),
        ("gh", "a token of GitHub", r"\bgh[pousr]_[A-Za-z0-9]{36,}"),
        ("github_pat_", "a token of GitHub", r"\bgithub_pat_\w{22,}"),
        ("glpat-", "a token of GitLab", r"\bglpat-[\w-]{20,}"),
        ("xox", "a token of Slack", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("hooks.slack.com", "a webhook of Slack",
         r"hooks\.slack\.com/(?:services|workflows)/\w+/\w+/\w+"),
        ("mlops_", "an API key of a server", r"\bmlops_[\w-]{43}(?![\w-])"),
        ("sk-", "a key of OpenAI or Anthropic",
         r"\bsk-(?:(?:proj|svcacct|admin|ant)-[\w-]{20,}|[A-Za-z0-9]{32,})"),
        ("k_live_", "a key of Stripe", r"\b[sr]k_live_[A-Za-z0-9]{20,}"),
        ("hf_", "a token of Hugging Face", r"\bhf_[A-Za-z0-9]{30,}"),
        ("dapi", "a token of Databricks", r"\bdapi[0-9a-f]{32}"),
        ("npm_", "a token of npm", r"\bnpm_[A-Za-z0-9]{36}"),
        ("pypi-", "a token of PyPI", r"\bpypi-[\w-]{60,}"),
        ("dckr_pat_", "a token of Docker", r"\bdckr_pat_[\w-]{20,}"),
        ("SG.", "a key of SendGrid", r"\bSG\.[\w-]{20,}\.[\w-]{40,}"),
        ("hvs.", "a token of Vault", r"\bhvs\.[\w-]{24,}"),
        ("eyJ", "a JSON web token", r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
        ("uthorization", "a login",
         r"(?i:authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer|token))"
         r"\s+(?!\$\{|\*+)[\w.+/=~-]{8,}"),
    )
)  # fmt: skip
HINT = (
    "take it out (it is in git's history if it was committed: make it void), and let the "
    "environment bring it: sections that no stage reads take `${VAR}`"
)


def find_secret(text: str) -> tuple[int, str] | None:
    """The line (from 1) of the first literal that is a secret by its form, and what it is."""
    found = [
        (match.start(), what)
        for needle, what, form in _FORMS
        if needle in text and (match := form.search(text))
    ]
    if not found:
        return None
    place, what = min(found)
    return text.count("\n", 0, place) + 1, what


def refuse_secrets(text: str, file: str, *, hint: str = HINT) -> None:
    """Raise `UsageError` naming line and kind, never the value, where `text` of `file` has one."""
    if found := find_secret(text):
        line, what = found
        raise UsageError(f"{file}, line {line}: {what} may not stand here: it would be in git",
                         hint=hint)  # fmt: skip
