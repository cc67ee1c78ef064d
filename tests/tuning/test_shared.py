"""A search that several processes carry on in a PostgreSQL: one result, each trial once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heard import Heard
from mlops_cli.errors import EnvironmentFault
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tuning import open_searcher
from mlops_cli.tuning.base import Changed, Search, SearchPlan, Shared
from mlops_cli.tuning.summary import best_of, trials_csv
from postgres import Postgres, postgres
from searches import PLAN, Falling

psycopg = pytest.importorskip("psycopg")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


def shared(server: Postgres, identity: str, **changes: Any) -> SearchPlan:
    about = {"data": identity, "xgboost": "3.2.0"}
    with_database = Shared(server.url, "p", about, **changes)
    return replace(PLAN, identity=identity, shared=with_database)


def search(plan: SearchPlan, work: Any = Falling, progress: Progress = QUIET) -> Search:
    return open_searcher().search(plan, work, Path("/nowhere"), progress=progress)


def files(found: Search) -> tuple[object, str]:
    return best_of(found, metric="loss", rounds=40), trials_csv(found)


def alone(tmp_path: Path, identity: str) -> Search:
    plan = replace(PLAN, identity=identity)
    return open_searcher().search(plan, Falling, tmp_path, progress=QUIET)


def states(server: Postgres, identity: str) -> dict[str, int]:
    """How Optuna's own tables tell of the trials of the study."""
    with psycopg.connect(server.url) as connection:
        rows = connection.execute(
            "select t.state::text, count(*) from trials t join studies s using (study_id) "
            "where s.study_name like %s group by 1",
            (f"p-%{_digest(server, identity)}",),
        ).fetchall()
    return dict(rows)


def _digest(server: Postgres, identity: str) -> str:
    with psycopg.connect(server.url) as connection:
        found = connection.execute(
            "select digest from mlops_search where about like %s", (f'%"{identity}"%',)
        ).fetchall()
    return str(found[0][0])


def test_four_find_what_one_finds_and_each_step_is_done_once(server, tmp_path):
    plan = shared(server, "four")
    worker = shared(server, "four", worker=True)
    done: list[tuple[float, int]] = []

    def counting(params: Any) -> Falling:
        return Falling(params, lambda ran: done.append((params["x"], ran)), 0.02)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(search, p, counting) for p in (worker, plan, worker, worker)]
        found = [future.result() for future in running]
    want = alone(tmp_path, "four")
    assert [files(one) for one in found] == [files(want)] * 4
    assert sum(len(one.trials) - one.resumed for one in found) >= 14
    assert sum(one.resumed < 14 for one in found) > 1  # several took part
    told = states(server, "four")
    pruned = sum(t.state == "pruned" for t in want.trials)
    assert told == {"COMPLETE": 14 - pruned, "PRUNED": pruned}
    with psycopg.connect(server.url) as connection:
        (waiting,) = connection.execute("select count(*) from mlops_step where step is null")
    assert waiting == (0,)


def test_a_worker_that_comes_late_has_nothing_to_do(server):
    first = search(shared(server, "late"))
    late = search(shared(server, "late", worker=True))
    assert files(late) == files(first)
    assert late.resumed == 14


def test_anew_begins_from_nothing(server):
    search(shared(server, "anew"))
    again = search(replace(shared(server, "anew"), anew=True))
    assert again.resumed == 0
    assert sum(states(server, "anew").values()) == 14


def test_a_worker_waits_and_says_what_is_other(server):
    search(shared(server, "other"))
    heard, changed = Heard(), threading.Event()
    waits = shared(server, "waiting", worker=True, stale=changed.is_set)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(search, waits, Falling, heard)
        while not heard.lines:
            time.sleep(0.01)
        assert "it differs in data; waiting" in heard.lines[0]
        changed.set()
        with pytest.raises(Changed):
            future.result()
    search(shared(server, "waiting"))
    assert search(waits).resumed == 14


def test_what_breaks_off_lets_go_of_its_step_and_the_rest_is_as_undisturbed(server, tmp_path):
    def dies(ran: int) -> None:
        if ran == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(shared(server, "cut"), lambda params: Falling(params, breaks=dies))
    again = search(shared(server, "cut"))
    assert files(again) == files(alone(tmp_path, "cut"))
    assert again.resumed > 0


_CHILD = """
import sys, time
from pathlib import Path
sys.path[:0] = {paths!r}
import test_shared as t
from mlops_cli.tuning import postgres
postgres.BEAT, postgres.GRACE = 0.2, 1.0
class Server: url = {url!r}
t.search(t.shared(Server, "killed"), lambda params: t.Falling(params, pause=0.02))
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gave no sign of life for a second is gone."""
    from mlops_cli.tuning import postgres as adapter

    monkeypatch.setattr(adapter, "BEAT", 0.2)
    monkeypatch.setattr(adapter, "GRACE", 1.0)


@pytest.mark.usefixtures("impatient")
def test_what_a_killed_process_had_taken_is_taken_again(server, tmp_path):
    here = Path(__file__).parent
    text = _CHILD.format(paths=[str(here), str(here.parent)], url=server.url)
    child = subprocess.Popen([sys.executable, "-c", text], start_new_session=True)
    try:
        wait_for_a_step(server)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    found = search(shared(server, "killed", worker=True))
    assert files(found) == files(alone(tmp_path, "killed"))
    assert sum(states(server, "killed").values()) == 14
    assert set(states(server, "killed")) == {"COMPLETE", "PRUNED"}


def wait_for_a_step(server: Postgres) -> None:
    """Until some steps are done and one is being done."""
    sql = (
        "select count(step), count(*) from mlops_step where search = (select id from mlops_search "
        "where digest = %s)"
    )
    for _ in range(3000):
        time.sleep(0.02)
        with psycopg.connect(server.url) as connection:
            try:
                digest = _digest(server, "killed")
                done, there = connection.execute(sql, (digest,)).fetchall()[0]
            except (psycopg.errors.UndefinedTable, IndexError):
                continue
        if done >= 3 and there > done:
            return
    raise AssertionError("no step was done")


@pytest.mark.usefixtures("impatient")
def test_a_database_that_goes_away_ends_the_search_and_loses_nothing(tmp_path):
    with postgres() as server:
        stopped: list[int] = []

        def breaks(ran: int) -> None:
            if ran == 30 and not stopped:
                stopped.append(ran)
                server.stop()

        with pytest.raises(EnvironmentFault, match=r"tune\.storage") as e:
            search(shared(server, "gone"), lambda params: Falling(params, breaks=breaks))
        assert e.value.exit_code == 8
        assert "what was done" in (e.value.hint or "")
        with pytest.raises(EnvironmentFault, match=r"tune\.storage"):
            search(shared(server, "gone"))
        server.start()
        again = search(shared(server, "gone"))
        assert again.resumed > 0
        assert files(again) == files(alone(tmp_path, "gone"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("${NO_SUCH_URL}", "needs the environment variable NO_SUCH_URL"),
        ("${TUNE_URL}", "no address of a PostgreSQL database"),
        ("postgresql://mlops:hidden-word@127.0.0.1:1/tune", "the database of tune.storage"),
    ],
)
def test_an_address_that_leads_nowhere(url, said, monkeypatch):
    monkeypatch.setenv("TUNE_URL", "sqlite:///x.db")
    plan = replace(PLAN, shared=Shared(url, "p", {}))
    with pytest.raises((EnvironmentFault, Exception), match=said) as e:
        search(plan)
    assert "hidden-word" not in str(e.value)
