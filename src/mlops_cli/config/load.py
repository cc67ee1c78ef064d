"""Find a project and load its configuration; every fault is one readable line."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from mlops_cli.config.document import read_project_yaml
from mlops_cli.config.metrics import check_metrics
from mlops_cli.config.model import HANDED_ON, UNTRACKED, Config
from mlops_cli.config.paths import CONFIG
from mlops_cli.config.project import Project
from mlops_cli.config.root import ENV_VARIABLE, find_project
from mlops_cli.config.sections.alerts import AnySink
from mlops_cli.config.sections.features import STORE_FORMS
from mlops_cli.config.sections.register import MetricGate
from mlops_cli.config.sections.source import TABLE_FORMS
from mlops_cli.errors import UsageError
from mlops_cli.expressions.python_sources import hide, look_in

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def load_project(start: Path | str | None = None, *, env: str | None = None) -> Project:
    """Load the project that `start` names or this folder stands in, with the overlay of `env`.

    Without `env` the environment's MLOPS_ENV names the overlay, if any.

    Raises `UsageError` with file and key for anything that the configuration may not say.
    """
    root = find_project(start)
    raw = read_project_yaml(root / CONFIG)
    sources = dict.fromkeys(_keys(raw), CONFIG)
    if env := env or os.environ.get(ENV_VARIABLE):
        overlay = _read_overlay(root / f"mlops.{env}.yaml")
        sources |= dict.fromkeys(_keys(overlay), f"mlops.{env}.yaml")
        raw = _merge(raw, overlay)
    raw = _fill_variables(raw, sources)
    file = f"{CONFIG} with mlops.{env}.yaml" if env else CONFIG
    filled = {key: source for key, source in sources.items() if source.startswith("${")}
    config = check_config(raw, file=file, filled=filled)
    if config.features.python:
        look_in(root, config.features.python_files)
        hide(config.data.sensitive)
    gates = [g.metric for g in config.register_.gates if isinstance(g, MetricGate)]
    check_metrics(config.task, config.metric, gates)
    return Project(root=root, config=config, sources=sources)


def check_config(raw: Any, *, file: str, filled: Mapping[str, str] | None = None) -> Config:
    """Check a configuration that was read from `file`; raises `UsageError`, a line a fault.

    `filled` are the keys whose values came from the environment, by their `${VAR}`: such a value
    is never shown, since it may be a secret.
    """
    if not isinstance(raw, dict):
        raise UsageError(
            f"{file} is empty or not a mapping of sections",
            hint="it starts with `project: NAME`; `mlops config --schema` prints what it may hold",
        )
    try:
        return Config.model_validate({k: {} if v is None else v for k, v in raw.items()})
    except ValidationError as e:
        unknown_first = sorted(
            _closest(e.errors()), key=lambda fault: fault["type"] != "extra_forbidden"
        )
        faults = [_fault(error, filled or {}) for error in unknown_first]
        raise UsageError(
            f"{file}: " + "; ".join(dict.fromkeys(text for text, _ in faults))[:2000],
            hint=next((h for _, h in faults if h), f"edit {file}; `mlops config --schema` helps"),
        ) from e


def _read_overlay(path: Path) -> dict[str, Any]:
    overlay = read_project_yaml(path)
    if not isinstance(overlay, dict):
        raise UsageError(f"{path.name} is not a mapping of sections", hint="see `mlops config`")
    for section in overlay:
        if section == "governance":
            raise UsageError(
                f"{path.name}: `governance` may not be overlaid: rules hold as they are committed",
                hint=f"write them in {CONFIG}",
            )
        if section not in UNTRACKED:
            raise UsageError(
                f"{path.name}: `{section}` may not be overlaid: stages depend on it, and DVC "
                "would not see the change",
                hint=f"only {', '.join(UNTRACKED)} may; an experiment is "
                f"`dvc exp run -S '{CONFIG}:++{section}.KEY=VALUE'`",
            )
    return overlay


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merge(old, value) if both and old is not None else value
    return merged


def _keys(value: Any, prefix: str = "") -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        dotted = f"{prefix}{key}"
        yield dotted
        yield from _keys(inner, f"{dotted}.")


def _fill_variables(raw: Any, sources: dict[str, str], prefix: str = "") -> Any:
    if isinstance(raw, dict):
        return {k: _fill_variables(v, sources, f"{prefix}.{k}".lstrip(".")) for k, v in raw.items()}
    if isinstance(raw, list):
        return [_fill_variables(v, sources, prefix) for v in raw]
    if not isinstance(raw, str) or not (names := _VARIABLE.findall(raw)):
        return raw
    if any(prefix == key or prefix.startswith(f"{key}.") for key in HANDED_ON):
        return raw
    if prefix.partition(".")[0] not in UNTRACKED:
        raise UsageError(
            f"{CONFIG}: {prefix} holds ${{{names[0]}}}, but stages depend on it and DVC would "
            "not see it change",
            hint=f"write the value itself; only {', '.join(UNTRACKED)} may use variables",
        )
    if missing := [n for n in names if n not in os.environ]:
        raise UsageError(
            f"{CONFIG}: {prefix} needs the environment variable {missing[0]}",
            hint=f"export {missing[0]}=...",
        )
    sources[prefix] = f"${{{names[0]}}}"
    return _VARIABLE.sub(lambda m: os.environ[m[1]], raw)


def _fault(error: Any, filled: Mapping[str, str]) -> tuple[str, str | None]:
    path = [str(p) for p in error["loc"] if not _is_union_tag(p)]
    where = ".".join(path) or "the file"
    if error["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.4)
        others = f"known here: {', '.join(known)}" if known else None
        hint = f"did you mean `{near[0]}`?" if near else others
        said = f"unknown key `{where}`" + (
            f"; the nearest known key is `{near[0]}`" if near else ""
        )
        return said, hint
    if error["type"] == "missing":
        return f"`{where}` is missing", f"add `{where}`"
    if (variable := filled.get(where)) is not None:
        return f"`{where}`: what {variable} holds does not fit ({error['type']})", None
    said = error["msg"].removeprefix("Value error, ")
    value = error.get("input")
    shown = f" (found {value!r})" if isinstance(value, bool | int | float | str) else ""
    return f"`{where}`: {said[:1].lower()}{said[1:]}{shown}"[:300], None


def _closest(errors: Sequence[Any]) -> list[Any]:
    """Of a value that may be of several kinds: the faults of the kinds that it is nearest to."""
    kinds: dict[tuple[object, ...], dict[object, list[Any]]] = {}
    for error in errors:
        loc = error["loc"]
        at = next((i for i, part in enumerate(loc) if _is_union_tag(part)), len(loc))
        kind = loc[at] if at < len(loc) else None
        kinds.setdefault(loc[:at], {}).setdefault(kind, []).append(error)
    return [
        error
        for tried in kinds.values()
        for found in tried.values()
        if _distance(found) == min(map(_distance, tried.values()))
        for error in found
    ]


def _distance(errors: Sequence[Any]) -> int:
    return sum(error["type"] in ("extra_forbidden", "missing") for error in errors)


def _is_union_tag(part: object) -> bool:
    return isinstance(part, str) and (part in _UNION_TAGS or part.startswith(_KINDS))


_KINDS = ("function-", "constrained-", "literal[")  # pydantic's words, not the file's
_UNION_TAGS = {"IntRange", "FloatRange", "Choice", "MetricGate", "ChampionGate", "OtherGate"}
_UNION_TAGS |= {kind.__name__ for kind in get_args(AnySink)} | {*TABLE_FORMS, *STORE_FORMS}
_UNION_TAGS |= {"FairnessGate"}


def _known_keys(path: list[str]) -> list[str]:
    model: Any = Config
    for part in path:
        if part.isdigit():
            continue
        fields = {f.alias or n: f for n, f in model.model_fields.items()}
        model = _model_in(fields[part].annotation) if part in fields else None
        if model is None:
            return []
    return [f.alias or n for n, f in model.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a))), None)
