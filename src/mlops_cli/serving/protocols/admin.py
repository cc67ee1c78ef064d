"""Several versions in one service: listed for who may predict, changed by who has the scope admin.

What is changed is answered when every worker has it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.following import Follower
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.requests import RequestError
from mlops_cli.serving.roster import Entry, Roster, Wanted
from mlops_cli.serving.routes import JSON, Answer, Request, Route
from mlops_cli.serving.settings import Settings, to_environment
from mlops_cli.serving.turns import until
from mlops_cli.serving.versions import Versions

MODELS = "/v1/models"
ADMIN = "/v1/admin/models"
_PATIENCE = 120.0  # seconds until every worker has a version
_SHOWN = 500


class _Load(msgspec.Struct):
    """The body that asks for a version: a bundle's folder."""

    path: str
    default: bool = False


_read = msgspec.json.Decoder(_Load).decode


class Listing:
    """`GET /v1/models`: what is loaded."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions

    def routes(self) -> list[Route]:
        """The table."""
        return [Route(MODELS, {"GET": self.models}, "predict", asks_model=False, control=True)]

    async def models(self, _: Request) -> Answer:
        """Each version, the default first."""
        return 200, msgspec.json.encode({"models": self._versions.described()}), JSON


class Admin:
    """Loads bundles that stand below `settings.models`, changes the default, and unloads."""

    def __init__(
        self,
        versions: Versions,
        roster: Roster,
        follower: Follower,
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        self._versions = versions
        self._roster = roster
        self._follower = follower
        self._metrics = metrics
        self._folder = Path(settings.models).resolve() if settings.models else None
        self._trust = settings.trust

    def routes(self) -> list[Route]:
        """The table."""
        one = ADMIN + "/{version}"
        table = (
            (ADMIN, "POST", self.load),
            (one, "DELETE", self.unload),
            (one + "/default", "PUT", self.make_default),
        )
        return [
            Route(path, {method: handler}, "admin", asks_model=False, control=True)
            for path, method, handler in table
        ]

    async def load(self, request: Request) -> Answer:
        """Load a bundle in every worker; 200 where it is loaded already, otherwise 201."""
        asked = _body(request.body)
        path = self._within(asked.path)
        async with self._roster.turns.one("the versions", _PATIENCE):
            await _prove(path, self._trust)
            entry = Entry(str(path), open_bundle(path).digest)
            _, wanted = self._roster.read()
            known = entry.digest in {e.digest for e in wanted.entries}
            entries = wanted.entries if known else (*wanted.entries, entry)
            default = entry.digest if asked.default else wanted.default
            await self._bring(wanted, Wanted(entries, default))
        return self._told(short(entry.digest), 200 if known else 201)

    async def make_default(self, request: Request) -> Answer:
        """Have a loaded version answer where a request names none."""
        async with self._roster.turns.one("the versions", _PATIENCE):
            wanted, entry = self._wanted(request.parameters["version"])
            await self._bring(wanted, Wanted(wanted.entries, entry.digest))
        return self._told(short(entry.digest), 200)

    async def unload(self, request: Request) -> Answer:
        """Unload a version, whose requests under way are answered yet."""
        async with self._roster.turns.one("the versions", _PATIENCE):
            wanted, entry = self._wanted(request.parameters["version"])
            if entry.digest == wanted.default:
                said = f"{short(entry.digest)} is the default: make another one the default first"
                raise RequestError(409, said)
            kept = tuple(e for e in wanted.entries if e.digest != entry.digest)
            await self._bring(wanted, Wanted(kept, wanted.default))
        return 200, msgspec.json.encode({"unloaded": short(entry.digest)}), JSON

    def _within(self, asked: str) -> Path:
        if self._folder is None:
            said = "the server was given no folder of models: serve.models names one"
            raise RequestError(422, said, field="path")
        try:
            path = (self._folder / asked).resolve()
        except (OSError, ValueError, RuntimeError) as e:
            raise RequestError(422, "path is not one", field="path") from e
        if not path.is_relative_to(self._folder):
            said = "path does not lie below the server's folder of models (serve.models)"
            raise RequestError(422, said, field="path")
        return path

    def _wanted(self, version: str) -> tuple[Wanted, Entry]:
        _, wanted = self._roster.read()
        entry = next((e for e in wanted.entries if short(e.digest) == version), None)
        if entry is None:
            raise RequestError(404, f"there is no version {version[:80]}")
        return wanted, entry

    async def _bring(self, before: Wanted, wanted: Wanted) -> None:
        """Have every worker follow; where one cannot, all go back."""
        if wanted == before:
            return
        if wanted.default != before.default and self._versions.split is not None:
            said = "a rollout runs between the default and another version: end it first"
            raise RequestError(409, said)
        generation = self._roster.write(wanted)
        await self._follower.follow()
        followed = await until(lambda: self._metrics.followed(generation), _PATIENCE)
        if followed and not self._metrics.refused(generation):
            return
        back = self._roster.write(before)
        await self._follower.follow()
        await until(lambda: self._metrics.followed(back), _PATIENCE)
        raise RequestError(503, "not every worker could follow; all have what they had before")

    def _told(self, version: str, status: int) -> Answer:
        found = next(v for v in self._versions.described() if v["version"] == version)
        return status, msgspec.json.encode(found), JSON


def _body(body: bytes) -> _Load:
    try:
        return _read(body)
    except msgspec.ValidationError as e:
        said = f'the body must be {{"path": "...", "default": false}}: {str(e)[:200]}'
        raise RequestError(422, said) from e
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as e:
        raise RequestError(400, f"the body is not JSON that can be read: {str(e)[:200]}") from e


async def _prove(path: Path, trust: str | None) -> None:
    """Load it and reproduce its golden rows in a process of its own, which it may end.

    Raises `RequestError` (422) with the reason where that fails.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mlops_cli.serving",
        "--check",
        "--bundle",
        str(path),
        env={**os.environ, **to_environment(Settings(trust=trust))},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        kind, _, why = said.decode(errors="replace").partition("\n")[0].partition(": ")
        if kind != "error":
            why = f"loading it ended a process with code {process.returncode}"
        raise RequestError(422, why[:_SHOWN], field="path")
