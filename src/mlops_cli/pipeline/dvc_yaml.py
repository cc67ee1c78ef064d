"""`dvc.yaml`: our stages are made from the table; the user's stages and comments are kept."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from mlops_cli._files import write_text
from mlops_cli.config.document import read_yaml, refuse_merge_marks
from mlops_cli.config.paths import CONFIG, DVC_YAML, OWN_DOCKERFILE
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.secret_forms import refuse_secrets
from mlops_cli.stages import PIPELINE, STAGES, Stage
from mlops_cli.training.charts import CHARTS, Chart, template


def write_dvc_yaml(project: Project, *, templates: bool = True) -> bool:
    """Bring our stages in `dvc.yaml` up to date; True where that changed the file.

    `templates` of plots go to DVC's own folder.
    """
    if templates:
        _write_templates(project)
    document = _read(project)
    stages = document.setdefault("stages", CommentedMap())
    _refuse_clashes(project, stages)
    if _ours(stages) == (wanted := _wanted(project)):
        return False
    for name, entry in wanted.items():
        if stages.get(name) != entry:
            stages[name] = entry
    write_text(project.root / DVC_YAML, _dumped(document, wanted))
    return True


def _refuse_clashes(project: Project, stages: Any) -> None:
    """Raise `UsageError` for a user's stage of one of our names, or that writes what ours do."""
    ours = _ours(stages)
    for name, entry in ours.items():
        if f"mlops stage {name}" not in str(entry.get("cmd") if isinstance(entry, dict) else entry):
            raise UsageError(
                f"{DVC_YAML} has a stage {name!r} of your own, and one of ours has that name",
                hint=f"give yours another name, such as `my-{name}`",
            )
    written = [path for stage in PIPELINE for path in stage.written]
    for name, entry in stages.items():
        for path in () if name in ours else _outs_of(entry):
            if taken := next((w for w in written if _overlap(w, path)), None):
                raise UsageError(
                    f"{DVC_YAML}: the stage {name!r} writes {path}, and a stage of ours {taken}",
                    hint="have yours write elsewhere",
                )


def outputs(project: Project) -> list[str]:
    """What the user's own stages in `dvc.yaml` write."""
    stages = _read(project).get("stages") or {}
    ours = _ours(stages)
    return [path for name, entry in stages.items() if name not in ours for path in _outs_of(entry)]


def _outs_of(entry: Any) -> Iterator[str]:
    """The paths that a stage writes, as far as they stand there and are no template."""
    if not isinstance(entry, dict):
        return
    for kind in ("outs", "metrics", "plots"):
        for out in entry.get(kind) or ():
            path = next(iter(out), None) if isinstance(out, dict) else out
            if isinstance(path, str) and "${" not in path:
                yield os.path.normpath(Path(str(entry.get("wdir", ".")), path))


def _overlap(one: str, other: str) -> bool:
    a, b = Path(one).parts, Path(other).parts
    return a[: len(b)] == b[: len(a)]


def check_dvc_yaml(project: Project) -> None:
    """Raise `UsageError` where our stages in `dvc.yaml` are not what the configuration asks."""
    found, wanted = _ours(_read(project).get("stages") or {}), _wanted(project)
    if differing := [name for name in wanted if found.get(name) != wanted[name]]:
        raise UsageError(
            f"{DVC_YAML}: the stage {differing[0]!r} is not what {CONFIG} asks for",
            hint="run `mlops run`, which brings it up to date",
        )


def add_missing_sections(project: Project) -> list[str]:
    """Add to `mlops.yaml` the sections that a stage declares and the file lacks; their names.

    DVC fails on a parameter that is not there; the empty section means all defaults.
    """
    path = project.root / CONFIG
    text = path.read_text(encoding="utf-8")
    missing = [key for key in _sections() if key not in read_yaml(path)]
    if missing:
        write_text(path, _with_empty(missing, text))
    return missing


def files_of(project: Project) -> list[str] | None:
    """Every file and folder that our stages read or write; None where the user has stages, too."""
    stages = _read(project).get("stages") or {}
    if stages.keys() != {stage.name for stage in PIPELINE}:
        return None
    paths = [path for stage in PIPELINE for path in deps_of(project, stage)]
    for stage in PIPELINE:
        paths += stage.written
    paths += [os.path.relpath(file, project.root) for file in _templates(project)]
    return list(dict.fromkeys([CONFIG, *paths, *(f"{table}.dvc" for table in project.tables)]))


def _sections() -> list[str]:
    """The sections of `mlops.yaml` that any stage depends on."""
    return list(dict.fromkeys(key for stage in STAGES for key in stage.params))


def _with_empty(sections: list[str], text: str) -> str:
    """The text of a mapping with these sections in it, and every other character as it was."""
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # as where it is read
    root = yaml.compose(text)
    if not root.flow_style:
        separator = "" if text.endswith("\n") else "\n"
        return text + separator + "".join(f"{key}: {{}}\n" for key in sections)
    # `{...}`, as JSON is: behind its first brace, where a comma at the end does no harm
    inside = text.index("{", root.start_mark.index) + 1
    added = "".join(f'"{key}": {{}}, ' for key in sections)
    return text[:inside] + added + text[inside:]


def _wanted(project: Project) -> dict[str, dict[str, Any]]:
    return {stage.name: _entry(project, stage) for stage in PIPELINE}


def _entry(project: Project, stage: Stage) -> dict[str, Any]:
    entry: dict[str, Any] = {"cmd": f"mlops stage {stage.name} --revision {stage.revision}"}
    if stage.params:  # those of `settings` decide; these are for `dvc params` and `dvc exp show`
        entry["deps"] = [*deps_of(project, stage), stage.settings]
    entry["params"] = [{CONFIG: list(stage.params or _sections())}]
    outs: list[Any] = [*stage.outs, *({path: {"persist": True}} for path in stage.persist)]
    outs += [*({path: {"cache": False}} for path in stage.uncached)]
    for key, paths in (
        ("outs", outs),
        ("metrics", [{path: {"cache": False}} for path in stage.metrics]),
        ("plots", [plot for path in stage.plots for plot in _plots(project, path)]),
    ):
        if paths:
            entry[key] = paths
    return entry


def _plots(project: Project, folder: str) -> list[dict[str, Any]]:
    return [
        {
            f"{folder}/{chart.name}.csv": {
                "cache": False,
                "x": chart.x,
                "y": chart.y,
                "title": chart.title,
                "template": _template(chart),
            }
        }
        for chart in CHARTS[project.config.task]
    ]


def _template(chart: Chart) -> str:
    return f"mlops_{chart.name}"


def _templates(project: Project) -> dict[Path, Chart]:
    """Where DVC looks for each chart's template; none without DVC."""
    folder = project.dvc_folder  # a folder of ours would look to DVC like its own
    charts = CHARTS[project.config.task] if folder else ()
    return {folder / "plots" / f"{_template(chart)}.json": chart for chart in charts if folder}


def _write_templates(project: Project) -> None:
    for file, chart in _templates(project).items():
        text = template(chart)
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            write_text(file, text)


def deps_of(project: Project, stage: Stage) -> list[str]:
    """The files and folders that the stage reads, but for its settings."""
    contracts = list(dict.fromkeys(project.contracts.values()))
    own = [OWN_DOCKERFILE] if (project.root / OWN_DOCKERFILE).is_file() else []
    several = {
        "{tables}": project.tables,
        "{contracts}": contracts,
        "{python}": list(project.config.features.python_files),
        "{dockerfile}": own,
        "{modules}": project.modules if "{modules}" in stage.deps else [],
    }
    return [path for dep in stage.deps for path in several.get(dep, [dep])]


def _ours(stages: Any) -> dict[str, Any]:
    if not isinstance(stages, dict):
        raise UsageError(f"{DVC_YAML}: `stages` is not a mapping", hint="fix it, or delete it")
    names = {stage.name for stage in PIPELINE}
    return {name: entry for name, entry in stages.items() if name in names}


def _read(project: Project) -> Any:
    path = project.root / DVC_YAML
    if not path.is_file():
        return CommentedMap()
    try:
        text = path.read_text(encoding="utf-8")
        document = _yaml().load(text)
    except (YAMLError, ValueError, KeyError, RecursionError) as e:  # `%YAML 3.0` is a KeyError
        refuse_merge_marks(path)
        said = " ".join(str(e).split())[:200].encode("utf-8", "backslashreplace").decode("utf-8")
        raise UsageError(f"{DVC_YAML}: {said}", hint="fix the YAML, or delete the file") from e
    refuse_secrets(text, DVC_YAML)
    if document is None:
        return CommentedMap()
    if not isinstance(document, dict):
        raise UsageError(f"{DVC_YAML} is not a mapping", hint="fix it, or delete it")
    return document


def _dumped(document: Any, wanted: dict[str, Any]) -> str:
    """The text of the document, which must read as what it is: some keys do not survive."""
    text = io.StringIO()
    try:
        _yaml().dump(document, text)
        survives = _ours(_yaml().load(text.getvalue()).get("stages")) == wanted
    except (YAMLError, ValueError, KeyError, RecursionError):
        survives = False
    if not survives:
        raise UsageError(
            f"{DVC_YAML} holds something that cannot be written again as it is",
            hint=f"fix what is not ours in {DVC_YAML}, or delete the file",
        )
    return text.getvalue()


def _yaml() -> YAML:
    yaml = YAML()  # round trip: comments and the order of keys survive
    yaml.composer.warn_double_anchors = False  # YAML allows it, and a warning helps nobody
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    return yaml
