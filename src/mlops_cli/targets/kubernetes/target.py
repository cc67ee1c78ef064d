"""A Kubernetes namespace as a target."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from mlops_cli._templates import own_templates
from mlops_cli.config.project import Project
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.progress import Progress
from mlops_cli.serving.contract import (
    CANDIDATE,
    CONTROL,
    CONTROL_FILE,
    KEYS,
    LOG,
    MODEL,
    ROLLOUT,
    ROLLOUTS,
)
from mlops_cli.serving.rollouts.marked import Mark
from mlops_cli.targets.base import Change, Deployment, Release, Routes, only
from mlops_cli.targets.kubernetes.address import is_inside, is_outside, service_url
from mlops_cli.targets.kubernetes.beside import (
    Pair,
    bring,
    differing,
    is_beside,
    pair_of,
    refuse_same_image,
    specs_of,
    standing,
    stood,
)
from mlops_cli.targets.kubernetes.collecting import collect
from mlops_cli.targets.kubernetes.delivery import deliver, image_name
from mlops_cli.targets.kubernetes.faults import FORBIDDEN, ClusterFault
from mlops_cli.targets.kubernetes.gateway import bring_by_route, hold_to_gateway
from mlops_cli.targets.kubernetes.keys import (
    delete_control,
    read_control,
    read_keys,
    rotate_control,
    write_keys,
)
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.logs import lines
from mlops_cli.targets.kubernetes.manifests import (
    KINDS,
    ROUTED,
    Beside,
    Key,
    Object,
    Spec,
    key_of,
    objects,
    write_manifests,
)
from mlops_cli.targets.kubernetes.naming import ANCHOR, DIGEST, object_name, owned_selector
from mlops_cli.targets.kubernetes.ownership import is_routed, ours, refuse_foreign
from mlops_cli.targets.kubernetes.plan import changes
from mlops_cli.targets.kubernetes.pod_rollout import PodRollout
from mlops_cli.targets.kubernetes.pods import ready
from mlops_cli.targets.kubernetes.release import Rollout, rehearse
from mlops_cli.targets.kubernetes.rollout import Look, look, replaced
from mlops_cli.targets.kubernetes.rollout_map import FILE, delete_maps
from mlops_cli.targets.kubernetes.route import routed_share, with_testers
from mlops_cli.targets.readiness import ready_digest, soon
from mlops_cli.targets.secrets import refuse_local_files, trusting
from mlops_cli.targets.shipped import Take

NAME = "kubernetes"
REGION = "topology.kubernetes.io/region"
_REACHED = 10.0  # seconds for kube-proxy to open a node's port
_STOP_LIMIT = 120.0


class KubernetesTarget(PodRollout):
    """The target `kubernetes`: one project's model in one namespace of one cluster.

    `testers` is what their requests bring, by which a route is tried.
    """

    def __init__(
        self,
        project: str,
        config: KubernetesConfig,
        serve: Mapping[str, str] | None = None,
        own: Path | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.testers: Mark | None = None
        self._secrets = secrets
        self._own = own
        self._project = project
        self._config = config
        self._serve = dict(serve or {})
        self._name = object_name(project)
        self._kubectl = Kubectl(config.context, config.namespace)
        routed = config.service.port if config.router == "gateway" else None
        super().__init__(self._kubectl, self._name, routed=routed)

    def deploy(self, routes: Routes, *, progress: Progress) -> Deployment:
        """Apply, wait for the rollout, prune; see `Target.deploy`. It costs no request.

            Where the version does not come up, what was applied before is applied again. One of two
            that stand beside each other is there already: of it no more is applied than differs. So
        it is for who is in a pod, with one that stood there before.
        """
        release = only(routes)
        refuse_local_files(self._serve)
        spec = self._spec(release)
        live = self._ours()
        pair = pair_of(live, self._name)
        if self._config.router == "gateway" and self._config.gateway is not None:
            hold_to_gateway(self._kubectl, self._config.gateway)
        there = pair.image_of(release.digest) if pair is not None else None
        if there is None and is_inside(self._kubectl):
            there = stood(self._kubectl, self._name, release.digest)
        spec = replace(spec, image=there or spec.image)
        wanted = self._held_to(live, objects(spec))
        changed = differing(live, wanted) if there is not None else wanted
        force = rehearse(self._kubectl, changed, progress=progress) if changed else False
        if there is None:
            deliver(self._config, release.image, progress=progress)
        until = time.monotonic() + self._config.timeout.total_seconds()
        kubectl = self._kubectl.until(until)
        rollout = Rollout(kubectl, spec, live, wanted, changed)
        try:
            if CONTROL_FILE in self._serve and there is None:
                rotate_control(kubectl, self._name)
            rollout.carry_out(until=until, force=force, progress=progress)
        except BaseException:
            if not live:  # nothing is left of a first deploy that failed
                with suppress(ClusterFault):  # the reason must not be lost
                    delete_control(self._kubectl, self._name)
            raise
        return self._confirmed(kubectl, release, progress)

    def plan(self, routes: Routes) -> list[Change]:
        """The server's dry run against what is there; see `Target.plan`.

        While the version earns its traffic, what stands then is what should.
        """
        release = only(routes)
        refuse_local_files(self._serve)
        spec = self._spec(release)
        live = self._ours()
        pair = pair_of(live, self._name)
        if pair is not None and pair.candidate.digest == release.digest:
            route = live.get(("HTTPRoute", self._name))
            share = routed_share(route, self._name) if route is not None else None
            specs: tuple[Spec, ...] = specs_of(spec, pair, share or 0.0)
        else:
            specs = (spec,)
        wanted = {key: thing for spec in specs for key, thing in objects(spec).items()}
        if (key := ("HTTPRoute", self._name)) in live and len(specs) > 1:
            wanted[key] = with_testers(wanted[key], live[key], self._name)
        self._held_to(live, wanted)
        made = self._kubectl.apply(wanted.values(), force=True, dry_run=True)
        return changes(live, {key_of(thing): thing for thing in made}, scales=specs[0].scales)

    def bring_beside(self, champion: Release, candidate: Release, *, progress: Progress) -> str:
        """In the champion's pods, copied from its image; or, with a route, in pods of its own.

        See `KeepsRollout.bring_beside`.
        """
        live = self._ours()
        now = standing(live, self._name)
        image = now.image if now is not None and now.digest == champion.digest else None
        first, second = self._spec(champion, image), self._spec(candidate)
        refuse_same_image(first.image, second.image, self._config.image)
        pair = Pair(Beside(first.digest, first.image), Beside(second.digest, second.image))
        specs = specs_of(first, pair, 0.0)
        self._held_to(live, {key: x for spec in specs for key, x in objects(spec).items()})
        if image is None:
            deliver(self._config, champion.image, progress=progress)
        deliver(self._config, candidate.image, progress=progress)
        until = time.monotonic() + self._config.timeout.total_seconds()
        kubectl = self._kubectl.until(until)
        if CONTROL_FILE in self._serve and read_control(kubectl, self._name) is None:
            rotate_control(kubectl, self._name)
        if self._config.router == "gateway":
            bring_by_route(kubectl, live, specs, until, progress, mark=self.testers)
            return MODEL
        bring(kubectl, live, specs[0], until, progress)
        return f"{CANDIDATE}/{candidate.digest}"

    def alone(self, digest: str) -> bool:
        """See `KeepsRollout.alone`."""
        live = self._ours()
        now = standing(live, self._name)
        stands = now is not None and now.digest == digest and not is_beside(live, self._name)
        return stands and look(self._kubectl, self._name).complete

    def render(self, routes: Routes, folder: Path) -> list[Path]:
        """A file an object, and a kustomization; see `Target.render`."""
        release = only(routes)
        refuse_local_files(self._serve)
        return write_manifests(self._spec(release), folder)

    def status(self) -> Deployment | None:
        """What Deployment, pods and Service say; see `Target.status`."""
        seen = look(self._kubectl, self._name)
        if seen.deployment is None:
            return None
        service = ours(self._kubectl, self._name).get(("Service", self._name))
        return Deployment(
            target=NAME,
            digest=_digest(seen),
            url=service_url(self._kubectl, service) if service else "",
            healthy=seen.condition("Available").get("status") == "True",
            since=_since(seen),
            port=self._port(service),
        )

    def logs(self, *, follow: bool = False) -> Iterator[str]:
        """Every pod's last lines, each line behind its pod's name; see `Target.logs`."""
        if look(self._kubectl, self._name).deployment is None:
            raise ClusterFault(
                "nothing",
                f"not deployed in namespace {self._config.namespace}",
                hint="mlops deploy --target kubernetes",
            )
        return lines(self._kubectl, self._name, follow=follow)

    def collect(self, take: Take, *, closing: bool = False) -> None:
        """What each pod has; see `KeepsLog.collect`."""
        collect(self._kubectl, self._name, take, closing=closing)

    def stop(self) -> bool:
        """Delete what is ours and wait until it is gone; see `Target.stop`."""
        delete_maps(self._kubectl, self._name)
        if not (live := self._ours()):
            return False
        routed = self._config.router == "gateway" or is_routed(live)
        kinds = ",".join(file for k, (_, file) in KINDS.items() if routed or k not in ROUTED)
        self._kubectl.run(
            "delete",
            kinds,
            f"--selector={owned_selector(self._name)}",
            "--cascade=foreground",
            f"--timeout={_STOP_LIMIT:.0f}s",
            limit=_STOP_LIMIT + 10,
        )
        if CONTROL_FILE in self._serve:
            delete_control(self._kubectl, self._name)
        return True

    def control_secret(self) -> str | None:
        """What the Secret holds; see `Controlled.control_secret`."""
        return read_control(self._kubectl, self._name)

    def anchor(self) -> str | None:
        """The Deployment's annotation; see `KeepsAnchor.anchor`."""
        found = look(self._kubectl, self._name).deployment
        kept = (found or {}).get("metadata", {}).get("annotations", {}).get(ANCHOR)
        return str(kept) if kept else None

    def keep_anchor(self, entry: str) -> None:
        """Annotate the Deployment, not its pods; see `KeepsAnchor.keep_anchor`."""
        what = f"deployment/{self._name}"
        self._kubectl.run("annotate", what, "--overwrite", f"{ANCHOR}={entry}")

    def regions(self) -> tuple[str, ...] | None:
        """The nodes' labels, which a namespace's own user may not read; see `HasNodes.regions`."""
        try:
            nodes = self._kubectl.json("get", "nodes")["items"]
        except ClusterFault as e:
            if e.has_kind(FORBIDDEN):
                return None
            raise
        labels = (node["metadata"].get("labels", {}) for node in nodes)
        return tuple(sorted({found[REGION] for found in labels if found.get(REGION)}))

    def keys(self) -> bytes | None:
        """What the Secret holds; see `KeepsKeys.keys`."""
        return read_keys(self._kubectl, self._name)

    def keep_keys(self, content: bytes) -> None:
        """Patch the Secret and tell each pod; see `KeepsKeys.keep_keys`."""
        write_keys(self._kubectl, self._name, content)

    def _port(self, service: Object | None) -> int | None:
        """The live Service's port, of the kind that `open_target` takes."""
        if service is None or service["spec"]["type"] != self._config.service.type:
            return None
        port = service["spec"]["ports"][0]
        by_node = service["spec"]["type"] == "NodePort"
        return int(port["nodePort"] if by_node else port["port"])

    def _ours(self) -> dict[Key, Object]:
        routed = self._config.router == "gateway"
        return ours(self._kubectl, self._name, routed=routed)

    def _spec(self, release: Release, image: str | None = None) -> Spec:
        name = image or image_name(self._config, release.image)
        return Spec(
            self._project,
            release.digest,
            name,
            self._config,
            self._serve,
            self._own,
            self._secrets,
        )

    def _held_to(self, live: dict[Key, Object], wanted: dict[Key, Object]) -> dict[Key, Object]:
        """What is wanted; raises `ClusterFault` where somebody else's object is in the way."""
        refuse_foreign(self._kubectl, self._name, [key for key in wanted if key not in live])
        return wanted

    def _confirmed(self, kubectl: Kubectl, release: Release, progress: Progress) -> Deployment:
        found = self.status()
        if found is None:
            raise ClusterFault("cluster", "the Deployment was deleted as soon as it was rolled out")
        if found.digest != release.digest:
            raise replaced(found.digest)
        service = ours(kubectl, self._name).get(("Service", self._name))
        outside = service is not None and is_outside(service)
        if outside and not _answers(found.url, release.digest):
            progress.log(f"it is rolled out, but {found.url} does not answer from here")
        return found


def open_target(project: Project, *, port: int | None = None) -> KubernetesTarget:
    """The cluster as a target of a project.

    `port` is where it is to be reached: the node port, or else the Service's port.
    """
    config = project.config.deploy.kubernetes
    if port is not None:
        where = "node_port" if config.service.type == "NodePort" else "port"
        service = config.service.model_copy(update={where: port})
        config = config.model_copy(update={"service": service})
    own = own_templates(project.root)
    settings = project.config.serve.environment(KEYS, log=LOG, control=CONTROL)
    serve = trusting(project, settings | {ROLLOUT: f"{ROLLOUTS}/{FILE}"})
    secrets = project.config.deploy.secrets
    target = KubernetesTarget(project.config.project, config, serve, own, secrets)
    target.testers = project.config.deploy.rollout.mark
    return target


def spec_of(project: Project, release: Release) -> Spec:
    """What `deploy` would apply of a release, for those who render it in another form."""
    target = open_target(project)
    refuse_local_files(target._serve)
    return target._spec(release)


def _answers(url: str, digest: str) -> bool:
    """Whether the digest is answered there within the time that a node's port takes to open."""
    where = urlsplit(url)
    host, port = where.hostname or "", where.port or 80
    return soon(lambda: ready_digest(host, port) == digest, _REACHED)


def _digest(seen: Look) -> str:
    """The bundle of the pods that answer; where none does, the one that should."""
    newest = [pod for pod in seen.newest if ready(pod)]
    answering = newest or [pod for pod in seen.pods if ready(pod)]
    things = [*answering, *([seen.deployment] if seen.deployment else [])]
    return next((d for x in things if (d := x["metadata"].get("annotations", {}).get(DIGEST))), "")


def _since(seen: Look) -> datetime:
    """When the rollout was complete, or while it is not, when the Deployment was made."""
    progressing = seen.condition("Progressing")
    if progressing.get("reason") == "NewReplicaSetAvailable":
        return datetime.fromisoformat(progressing["lastUpdateTime"])
    made = seen.deployment["metadata"]["creationTimestamp"] if seen.deployment else ""
    return datetime.fromisoformat(made)
