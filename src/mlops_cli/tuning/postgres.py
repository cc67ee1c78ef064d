"""The steps of a search that several processes carry on, in a PostgreSQL that all of them reach."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import msgspec
import psycopg

from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.progress import Progress
from mlops_cli.tuning.base import Changed, SearchPlan, Shared, State, Value
from mlops_cli.tuning.journal import Step
from mlops_cli.tuning.study import Mirror

BEAT = 3.0  # seconds between two signs of life
GRACE = 20.0  # seconds without one: then a step is taken by another
_LOOK = 1.0  # seconds between two looks whether a search has begun
_LOCK = 7_365_209_122_013  # any number: whoever makes tables holds it
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_AGAIN = "run it again when the database answers: what was done stands there, and is taken over"
_TABLES: tuple[LiteralString, ...] = (
    "create table if not exists mlops_search (id bigint generated always as identity primary key, "
    "digest text not null unique, project text not null, about text not null, "
    "begun timestamptz not null default now())",
    "create table if not exists mlops_trial (search bigint not null references mlops_search on "
    "delete cascade, trial int not null, params text not null, optuna int not null, "
    "primary key (search, trial))",
    "create table if not exists mlops_step (search bigint not null references mlops_search on "
    "delete cascade, trial int not null, until int not null, worker text not null, "
    "beat timestamptz not null default now(), step text, primary key (search, trial, until))",
)
_QUICK_TO_MISS: tuple[LiteralString, ...] = (  # a machine that is gone holds no lock for long
    "set tcp_keepalives_idle = 10",
    "set tcp_keepalives_interval = 5",
    "set tcp_keepalives_count = 3",
)
_TAKE = (
    "insert into mlops_step (search, trial, until, worker) values (%s, %s, %s, %s) "
    "on conflict (search, trial, until) do update set worker = excluded.worker, beat = now() "
    "where mlops_step.step is null and mlops_step.beat < now() - make_interval(secs => %s) "
    "returning worker"
)
_FIND = "select step from mlops_step where search = %s and trial = %s and until = %s"


class SharedSteps:
    """`Steps` in a database: a step is taken by one process, and by another when that one is gone.

    What a process has taken it keeps by a sign of life every `BEAT` seconds; the clock is the
    database's. Of a step that was done twice all the same the first result stands.
    """

    def __init__(self, database: _Database, search: int, mirror: Mirror) -> None:
        self._database, self._search, self._mirror = database, search, mirror
        self._me = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._steps: dict[tuple[int, int], Step] = {}
        self._shown: dict[int, int] = {}  # Optuna's number of a trial's row
        for (text,) in database.rows(
            "select step from mlops_step where search = %s and step is not null", (search,)
        ):
            step = msgspec.json.decode(text, type=Step)
            self._steps[step.trial, step.until] = step

    @property
    def trials(self) -> int:
        """See `Steps.trials`."""
        return len({trial for trial, _ in self._steps})

    def drawn(self, first: int, params: Sequence[dict[str, Value]]) -> list[dict[str, Value]]:
        """See `Steps.drawn`: whoever draws them first decides for all."""
        numbers = range(first, first + len(params))
        with self._database.alone(self._search):
            known = self._known(first, len(params))
            for number, asked in zip(numbers, params, strict=True):
                if number not in known:
                    shown = self._mirror.add(asked)
                    text = msgspec.json.encode(asked).decode()
                    self._database.do(
                        "insert into mlops_trial values (%s, %s, %s, %s)",
                        (self._search, number, text, shown),
                    )
                    known[number] = (asked, shown)
        self._shown |= {number: shown for number, (_, shown) in known.items()}
        return [known[number][0] for number in numbers]

    def _known(self, first: int, many: int) -> dict[int, tuple[dict[str, Value], int]]:
        rows = self._database.rows(
            "select trial, params, optuna from mlops_trial where search = %s and trial >= %s "
            "and trial < %s",
            (self._search, first, first + many),
        )
        kind = dict[str, Value]
        return {n: (msgspec.json.decode(text, type=kind), shown) for n, text, shown in rows}

    def find(self, trial: int, until: int, params: Mapping[str, Value]) -> Step | None:
        """See `Steps.find`."""
        del params  # they are those of the draw that counts
        if (trial, until) not in self._steps:
            found = self._database.rows(_FIND, (self._search, trial, until))
            if not found or found[0][0] is None:
                return None
            self._steps[trial, until] = msgspec.json.decode(found[0][0], type=Step)
        return self._steps[trial, until]

    def take(self, trial: int, until: int) -> bool:
        """See `Steps.take`."""
        try:
            taken = self._database.rows(_TAKE, (self._search, trial, until, self._me, GRACE))
        except psycopg.errors.ForeignKeyViolation as e:
            raise EnvironmentFault(
                "this search was begun anew by another process",
                hint="run it again to join that one",
            ) from e
        if taken:
            self._mirror.runs(self._shown[trial])
        return bool(taken)

    def add(self, step: Step) -> Step:
        """See `Steps.add`."""
        key = (self._search, step.trial, step.until)
        self._database.do(
            "update mlops_step set step = %s where search = %s and trial = %s and until = %s "
            "and step is null",
            (msgspec.json.encode(step).decode(), *key),
        )
        if step.score is not None:
            self._mirror.came(self._shown[step.trial], step.until, step.score)
        return self.find(step.trial, step.until, step.params) or step

    def over(self, trial: int, state: State, score: float | None) -> None:
        """See `Steps.over`: Optuna's table shows it."""
        self._mirror.over(self._shown[trial], state, score)

    def check(self) -> None:
        """See `Steps.check`."""
        self._database.check()

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Give signs of life until the block ends; then let go of what is not done."""
        ended = threading.Event()
        beating = threading.Thread(target=self._beat, args=(ended,), daemon=True, name="heartbeat")
        beating.start()
        try:
            yield
        finally:
            ended.set()
            beating.join()
            with contextlib.suppress(EnvironmentFault):
                self._database.do(
                    "delete from mlops_step where search = %s and worker = %s and step is null",
                    (self._search, self._me),
                )

    def _beat(self, ended: threading.Event) -> None:
        while not ended.wait(BEAT):
            try:
                self._database.do(
                    "update mlops_step set beat = now() where search = %s and worker = %s "
                    "and step is null",
                    (self._search, self._me),
                )
            except EnvironmentFault as e:
                self._database.lost = e
                return


class _Database:
    """One connection, for any number of threads; raises `EnvironmentFault` where it is gone."""

    def __init__(self, url: str) -> None:
        self._turn = threading.RLock()
        self.lost: EnvironmentFault | None = None
        with _faults():
            self._connection = psycopg.connect(
                url, autocommit=True, connect_timeout=10, keepalives_idle=10, keepalives_count=3
            )
            for sql in _QUICK_TO_MISS:
                self._connection.execute(sql)

    def rows(self, sql: LiteralString, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._turn, _faults():
            found: list[tuple[Any, ...]] = self._connection.execute(sql, values).fetchall()
            return found

    def do(self, sql: LiteralString, values: Sequence[object] = ()) -> None:
        with self._turn, _faults():
            self._connection.execute(sql, values)

    def check(self) -> None:
        if self.lost is not None:
            raise self.lost

    @contextmanager
    def alone(self, number: int) -> Iterator[None]:
        """Hold the lock of that number, which one process has at a time."""
        with self._turn:
            self.do("select pg_advisory_lock(%s)", (number,))
            try:
                yield
            finally:
                with contextlib.suppress(EnvironmentFault):
                    self.do("select pg_advisory_unlock(%s)", (number,))

    def close(self) -> None:
        self._connection.close()


@contextmanager
def shared_steps(digest: str, plan: SearchPlan, progress: Progress) -> Iterator[SharedSteps]:
    """The steps of the search `digest`, begun here where nobody has, or `plan.anew`.

    A worker only joins: it waits until the search has begun. Raises `EnvironmentFault` where the
    database cannot be reached or goes away; what was done stands there.
    """
    shared = plan.shared
    if shared is None:
        raise ValueError("the plan is shared with nobody")
    url = filled(shared.url)
    name = f"{shared.project}-{digest}"
    mirror = Mirror(url, name, plan.space, maximize=plan.greater_is_better)
    database = _Database(url)
    try:
        if shared.worker:
            search = _joined(database, digest, shared, progress)
            mirror.open()
        else:
            search = _begun(database, digest, shared, mirror, anew=plan.anew)
        steps = SharedSteps(database, search, mirror)
        with steps.alive():
            yield steps
    finally:
        mirror.close()
        database.close()


def filled(url: str) -> str:
    """The address with its `${VAR}`; raises `UsageError` where the environment lacks one."""
    if missing := [name for name in _VARIABLE.findall(url) if name not in os.environ]:
        raise UsageError(
            f"tune.storage needs the environment variable {missing[0]}",
            hint=f"export {missing[0]}=postgresql://USER:PASSWORD@HOST/DATABASE",
        )
    text = _VARIABLE.sub(lambda found: os.environ[found[1]], url)
    if not text.startswith(("postgresql://", "postgres://")):
        raise UsageError(
            "tune.storage is no address of a PostgreSQL database",
            hint="postgresql://USER:PASSWORD@HOST/DATABASE, best in a ${VAR}",
        )
    return text


def _begun(database: _Database, digest: str, shared: Shared, mirror: Mirror, *, anew: bool) -> int:
    with database.alone(_LOCK):
        for sql in _TABLES:
            database.do(sql)
        mirror.begin(anew=anew)
        if anew:
            database.do("delete from mlops_search where digest = %s", (digest,))
        about = msgspec.json.encode(shared.about, order="sorted").decode()
        database.do(
            "insert into mlops_search (digest, project, about) values (%s, %s, %s) "
            "on conflict (digest) do nothing",
            (digest, shared.project, about),
        )
        found = database.rows("select id from mlops_search where digest = %s", (digest,))
    return int(found[0][0])


def _joined(database: _Database, digest: str, shared: Shared, progress: Progress) -> int:
    told = ""
    while True:
        there = database.rows("select to_regclass('mlops_search') is not null")[0][0]
        found = _searches(database, shared.project) if there else []
        if ours := next((row for row in found if row[1] == digest), None):
            return int(ours[0])
        said = _waiting(shared, found[-1][2] if found else None)
        if said != told:
            progress.log(said)
            told = said
        if shared.stale():
            raise Changed
        time.sleep(_LOOK)


def _searches(database: _Database, project: str) -> list[tuple[Any, ...]]:
    return database.rows(
        "select id, digest, about from mlops_search where project = %s order by id", (project,)
    )


def _waiting(shared: Shared, about: str | None) -> str:
    if about is None:
        return f"no search of {shared.project} has begun: waiting for `mlops tune` or `mlops run`"
    theirs = msgspec.json.decode(about, type=dict[str, str])
    names = sorted(shared.about.keys() | theirs.keys())
    other = [name for name in names if shared.about.get(name) != theirs.get(name)]
    return (
        f"the last search of {shared.project} there is another one: it differs in "
        f"{', '.join(other) or 'the seed'}; waiting for one that is like this project's"
    )


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as e:
        said = " ".join(str(e).split())[:300]
        raise EnvironmentFault(f"the database of tune.storage: {said}", hint=_AGAIN) from e
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable) as e:
        said = " ".join(str(e).split())[:300]
        raise EnvironmentFault(
            f"the database of tune.storage refuses: {said}",
            hint="its user has to be allowed to create tables there",
        ) from e
