"""Templates of a project's own: they win, may add to ours, and take nothing away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import bundles
import projects
from command_line import Mlops
from mlops_cli._templates import OWN, own_templates, template_folder
from mlops_cli.actions.run import run
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.config.sections.deploy import DockerConfig
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.errors import UsageError
from mlops_cli.packaging.base import Base
from mlops_cli.packaging.context import write_context
from mlops_cli.packaging.image import image_of
from mlops_cli.pipeline.dvc_yaml import write_dvc_yaml
from mlops_cli.pipeline.unchanged import unchanged_run
from mlops_cli.stages.package import package
from mlops_cli.targets.base import Release
from mlops_cli.targets.docker.container import Spec as ContainerSpec
from mlops_cli.targets.kubernetes.manifests import Spec, objects
from mlops_cli.targets.local.systemd import write_unit

BASE = "python:{python}-slim"
Change = Callable[[str], str]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("own") / "model"
    bundles.write(folder)
    return open_bundle(folder)


def own(root: Path, name: str, change: Change) -> Path:
    """The project's own copy of a template of ours, changed."""
    file = root / OWN / name
    file.parent.mkdir(parents=True, exist_ok=True)
    text = (template_folder() / name).read_text()
    assert change(text) != text
    file.write_text(change(text))
    found = own_templates(root)
    assert found
    return found


def swapped(old: str, new: str) -> Change:
    return lambda text: text.replace(old, new)


DOCKERFILE = "image/Dockerfile.j2"
BEFORE_USER = "USER {{ user }}"


def dockerfile(bundle: Bundle, folder: Path) -> str:
    write_context(bundle, folder / "image", Base(BASE, own_templates(folder)))
    return (folder / "image/Dockerfile").read_text()


def test_an_instruction_that_is_added_comes_and_all_of_ours_stay(
    bundle: Bundle, tmp_path: Path
) -> None:
    line = "LABEL team={{ project }}"
    own(tmp_path, DOCKERFILE, swapped(BEFORE_USER, f"{line}\n{BEFORE_USER}"))
    assert f"LABEL team={bundle.manifest.project}\nUSER 65532:65532" in dockerfile(bundle, tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (swapped(f"{BEFORE_USER}:{{{{ user }}}}\n", ""), "the line `USER 65532:65532` is missing"),
        (lambda text: text + "USER root\n", "its last USER is `USER root`"),
        (lambda text: text + "FROM scratch\n", "its last FROM is `FROM scratch`"),
        (lambda text: text + 'cmd ["--host"]\n', "its last CMD is"),
        (swapped("COPY model/ /", "# COPY model/ /"), "COPY model/ /"),
        (swapped("{{ ready }}", "/"), "HEALTHCHECK"),
        (swapped("{{ ready }}", "{{ redy }}"), "line 34: 'redy' is undefined"),
        (swapped("{{ ready }}", "{{ ready"), "line 34: unexpected"),
        (lambda text: text + "{{ ''.__class__.__mro__ }}", "line 41: access to attribute"),
        (lambda text: text + "ENV KEY=AKIA" + "Q7ZD" * 4 + "\n", "access key of AWS"),
    ],
)
def test_a_dockerfile_that_takes_something_away_is_refused(
    bundle: Bundle, tmp_path: Path, change: Change, says: str
) -> None:
    own(tmp_path, DOCKERFILE, change)
    with pytest.raises(UsageError, match=r"templates/image/Dockerfile\.j2") as e:
        dockerfile(bundle, tmp_path)
    assert says in f"{e.value.message} {e.value.hint}"
    assert not (tmp_path / "image").exists()


DEPLOYMENT = "kubernetes/deployment.yaml.j2"
SIDECAR = """      containers:
        - name: proxy
          image: proxy@sha256:{digest}
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
""".format(digest="0" * 64)


def deployed(root: Path) -> dict[str, object]:
    config = KubernetesConfig(namespace="models", image="p:1")
    spec = Spec("p", "a" * 64, "p:1", config, own=own_templates(root))
    found: dict[str, object] = objects(spec)["Deployment", "p"]
    return found


@pytest.mark.parametrize(
    "change",
    [
        swapped("  revisionHistoryLimit: 5", "  revisionHistoryLimit: 2"),
        swapped("      containers:\n", SIDECAR),
        swapped("    spec:\n", "    spec:\n      nodeSelector: {disk: ssd}\n      priority: 3\n"),
        swapped("maxSurge: 1", "maxSurge: 2"),
    ],
)
def test_a_manifest_may_add_to_ours(tmp_path: Path, change: Change) -> None:
    before = deployed(tmp_path)
    own(tmp_path, DEPLOYMENT, change)
    assert deployed(tmp_path) != before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (swapped("runAsNonRoot: true", "runAsNonRoot: false"), "securityContext.runAsNonRoot"),
        (swapped("        runAsUser: {{ user }}\n", ""), "runAsUser is not what"),
        (swapped("image: {{ image }}", "image: evil"), "server.image is not what"),
        (swapped("value: {{ digest }}", "value: none"), "MLOPS_DIGEST"),
        (swapped("    spec:\n", "    spec:\n      hostNetwork: true\n"), "spec.hostNetwork is not"),
        (swapped("          emptyDir:", "          hostPath: {path: /}\n          emptyDir:"),
         "hostPath is not allowed"),
        (swapped("drop: [ALL]", "drop: [ALL]\n              add: [SYS_ADMIN]"), "capabilities.add"),
        (swapped("      containers:\n", "      initContainers:\n        - {name: a, image: b}\n"
                 "      containers:\n"), "a.image without a digest"),
        (swapped("name: {{ name }}\n  namespace", "name: other\n  namespace"), "metadata.name"),
        (lambda text: text + "---\nkind: Secret\n", "no YAML"),
        (lambda text: text + "  \t- x", "no YAML"),
        (swapped("{{ image }}", "{{ imgae }}"), "line 74: 'imgae' is undefined"),
    ],
)  # fmt: skip
def test_a_manifest_that_opens_a_way_out_is_refused(
    tmp_path: Path, change: Change, says: str
) -> None:
    own(tmp_path, DEPLOYMENT, change)
    with pytest.raises(UsageError, match=r"templates/kubernetes/deployment\.yaml\.j2") as e:
        deployed(tmp_path)
    assert says in e.value.message


def test_a_value_cannot_bring_a_field_through_a_template_of_ones_own(tmp_path: Path) -> None:
    own(tmp_path, DEPLOYMENT, swapped("revisionHistoryLimit: 5", "revisionHistoryLimit: 4"))
    hostile = 'x"\n  hostNetwork: true {{ 1 }}'
    config = KubernetesConfig(namespace="models", image="p:1")
    found = objects(Spec("p", "a" * 64, hostile, config, own=own_templates(tmp_path)))
    assert found["Deployment", "p"]["spec"]["template"]["spec"]["containers"][0]["image"] == hostile


def test_compose_and_systemd_are_held_too(bundle: Bundle, tmp_path: Path) -> None:
    compose = "docker/compose.yaml.j2"
    release = Release(bundle, image_of(bundle, base=BASE, root=tmp_path))

    def composed() -> dict[str, dict[str, dict[str, object]]]:
        spec = ContainerSpec("p", "127.0.0.1", 8000, DockerConfig(), own=own_templates(tmp_path))
        text = spec.write_compose(release, tmp_path).read_text()
        found: dict[str, dict[str, dict[str, object]]] = YAML(typ="safe").load(text)
        return found

    more = "    hostname: model\n    read_only: true"
    own(tmp_path, compose, swapped("    read_only: true", more))
    assert composed()["services"]["server"]["hostname"] == "model"
    own(tmp_path, compose, swapped("    read_only: true", "    privileged: true"))
    with pytest.raises(UsageError, match="read_only is not what"):
        composed()
    unit = "local/service.j2"

    def unit_text() -> str:
        where = ("127.0.0.1", 8000)
        folder = own_templates(tmp_path)
        return write_unit(bundle, tmp_path, address=where, settings={}, own=folder).read_text()

    own(tmp_path, unit, swapped("RestartSec=1", "RestartSec=9\nMemoryMax=1G"))
    assert "MemoryMax=1G" in unit_text()
    own(tmp_path, unit, swapped("RestartSec=1", "ExecStartPre=/bin/rm -r /"))
    with pytest.raises(UsageError, match="ExecStartPre"):
        unit_text()


def test_a_name_that_is_no_template_is_told(tmp_path: Path) -> None:
    file = tmp_path / OWN / "kubernetes/deploymnt.yaml.j2"
    file.parent.mkdir(parents=True)
    file.write_text("")
    with pytest.raises(UsageError, match=r"nearest name of one is kubernetes/deployment.yaml.j2"):
        own_templates(tmp_path)
    file.rename(tmp_path / OWN / "index.html")  # of the user's own
    assert own_templates(tmp_path) is None


def test_dvc_knows_the_dockerfile_and_package_uses_it(tmp_path: Path, mlops: Mlops) -> None:
    root = tmp_path / "p"
    projects.copy(projects.finished("parcels"), root)
    own(root, DOCKERFILE, swapped(BEFORE_USER, f"LABEL team=blue\n{BEFORE_USER}"))
    project = load_project(root)
    assert write_dvc_yaml(project)
    stages = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    own_one = f"templates/{DOCKERFILE}"
    assert [n for n, s in stages.items() if own_one in s.get("deps", [])] == ["package"]
    package(project)
    assert "LABEL team=blue" in (root / "image/Dockerfile").read_text()
    (root / OWN / DOCKERFILE).write_text("FROM {{ base }}\n{{ nothing }}\n")
    said = mlops(root, "deploy", "--target", "local", "--render", str(tmp_path / "unit"), code=0)
    assert "service" in said.out  # the Dockerfile is the image's alone
    with pytest.raises(UsageError, match="line 2: 'nothing' is undefined"):
        package(project)


def test_a_misspelt_name_is_told_although_nothing_else_changed(tmp_path: Path) -> None:
    root = projects.copy(projects.finished("parcels"), tmp_path / "p")
    run(load_project(root))
    assert unchanged_run(root, ["package"])
    (root / OWN / "image").mkdir(parents=True)
    assert unchanged_run(root, ["package"]) is None
    (root / OWN / "image/Dockerfil.j2").touch()
    with pytest.raises(UsageError, match=r"Dockerfil\.j2 is no .* image/Dockerfile\.j2") as refused:
        run(load_project(root), "package")
    assert f"{OWN}/ may hold {DOCKERFILE}, image/batch.Dockerfile.j2;" in (refused.value.hint or "")
