"""A cluster of Spark's: it partitions, shuffles and tries again; our own code makes the numbers."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from mlops_cli.errors import EnvironmentFault, MlopsError, UsageError
from mlops_cli.tables.cluster import Parcel, T, check_versions, checked, guarded, guarded_merge

_SCHEMA = "number long, parcel binary"
_ARROW = pa.schema([("number", pa.int64()), ("parcel", pa.binary())])
_HERE = re.compile(r"local(-cluster)?(\[|$)")
_ANSWERS = 5.0  # seconds for a connection
_WORKERS = 120.0  # seconds for the first worker
_CONNECT_SLOTS = 8  # a Spark Connect does not tell how many tasks it runs
_SHARES = 3  # tasks of a shuffle for each slot
_PANDAS = "PySpark does not yet fully support pandas"  # of which nothing is used here
_JAVA = "install Java 17 or newer (`java -version`), or name a Spark Connect: sc://HOST:15002"
_QUIET = (
    "rootLogger.level = error\nrootLogger.appenderRef.console.ref = console\n"
    "appender.console.type = Console\nappender.console.name = console\n"
    "appender.console.target = SYSTEM_ERR\nappender.console.layout.type = PatternLayout\n"
    "appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex\n"
    "logger.repl.name = org.apache.spark.repl.Main\nlogger.repl.level = error\n"
)


def open_cluster(url: str, settings: Mapping[str, str]) -> Spark:
    """The cluster at `url`, a master or a Spark Connect, with further settings of Spark's.

    Raises `EnvironmentFault` where there is no Java, or nothing answers there.
    """
    return Spark(url, settings)


class Spark:
    """`Cluster` on a Spark session, which starts when the block is entered."""

    slots = _CONNECT_SLOTS

    def __init__(self, url: str, settings: Mapping[str, str]) -> None:
        self._url = url
        self._settings = settings
        self._session: Any = None

    def __enter__(self) -> Spark:
        with _faults(self._url):
            if self._url.startswith("sc://"):
                _check_answers(self._url, 15002)
                self._session = _configured(self._url, self._settings).create()
                self._session.range(1).count()  # a session is made when it is first asked
                self._spread()
                check_versions(self)
                return self
            _check_java()
            if self._url.startswith("spark://"):
                _check_answers(self._url, 7077)
            self._session = _started(self._url, self._settings)
            _await_workers(self._session, self._url)
            self.slots = int(self._session.sparkContext.defaultParallelism)
            self._spread()
            if not _HERE.match(self._url):
                check_versions(self)
        return self

    def _spread(self) -> None:
        """Tasks of a shuffle: Spark's own number, 200, is of clusters of a certain size."""
        key = "spark.sql.shuffle.partitions"
        if key not in self._settings:
            self._session.conf.set(key, str(_SHARES * self.slots))

    def __exit__(self, *exc: object) -> None:
        with suppress(Exception):  # a cluster that has gone needs no farewell
            self._session.stop()

    def made(self, items: Sequence[T], work: Callable[[T], Iterable[Parcel]]) -> DataFrame:
        """See `Cluster.made`."""
        given = list(items)

        def each(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for i in batch.column(0).to_pylist():
                    yield from _batches(guarded(work, i, given[i]))

        with _faults(self._url):
            numbered: DataFrame = self._session.range(0, len(given), 1, len(given))
            return numbered.mapInArrow(each, _SCHEMA)

    def together(self, *parcels: DataFrame) -> DataFrame:
        """See `Cluster.together`."""
        whole: DataFrame = reduce(DataFrame.union, parcels)
        return whole

    def merged(
        self, parcels: DataFrame, work: Callable[[int, list[bytes]], Iterable[Parcel]]
    ) -> DataFrame:
        """See `Cluster.merged`."""

        def each(key: tuple[pa.Scalar, ...], group: pa.Table) -> pa.Table:
            contents = group.column("parcel").to_pylist()
            made = _batches(guarded_merge(work, key[0].as_py(), contents))
            return pa.Table.from_batches(made, schema=_ARROW)

        with _faults(self._url):
            return parcels.groupBy("number").applyInArrow(each, _SCHEMA)

    def collected(self, parcels: DataFrame) -> list[Parcel]:
        """See `Cluster.collected`."""
        with _faults(self._url):
            rows = parcels.collect()
        return checked((row[0], bytes(row[1])) for row in rows)


def _batches(parcels: Iterable[Parcel]) -> Iterator[pa.RecordBatch]:
    for number, parcel in parcels:
        yield pa.record_batch([pa.array([number]), pa.array([parcel], pa.binary())], schema=_ARROW)


def _configured(url: str, settings: Mapping[str, str]) -> Any:
    remote = url.startswith("sc://")
    builder = SparkSession.builder.remote(url) if remote else SparkSession.builder.master(url)
    given = {"spark.sql.session.timeZone": "UTC", **settings}
    for key, value in given.items():
        builder = builder.config(key, value)
    return builder


def _started(url: str, settings: Mapping[str, str]) -> Any:
    """A session of our own JVM's; on this machine it talks to nobody else."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    given = {
        "spark.app.name": "mlops",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.adaptive.enabled": "false",  # it takes parcels for what they weigh, not cost
    }
    if _HERE.match(url):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        given |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    if sizes := re.match(r"local-cluster\[\d+, *(\d+), *(\d+)\]", url):
        given |= {"spark.executor.cores": sizes[1], "spark.executor.memory": f"{sizes[2]}m"}
    with _log_file() as options:
        given["spark.driver.extraJavaOptions"] = options
        return _configured(url, {**given, **settings}).getOrCreate()


@contextmanager
def _log_file() -> Iterator[str]:
    """JVM options with which Spark logs errors alone: its warnings are of every start."""
    with tempfile.TemporaryDirectory(prefix="mlops-spark-") as folder:
        file = Path(folder, "log4j2.properties")
        file.write_text(_QUIET, encoding="utf-8")
        yield f"-Dlog4j2.configurationFile=file:{file}"


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if not (shutil.which("java") or (home and Path(home, "bin/java").is_file())):
        raise EnvironmentFault("Spark needs Java, and there is no `java` here", hint=_JAVA)


def _check_answers(url: str, port: int) -> None:
    """Raise where nothing listens at the first address of `url`: Spark itself tries for minutes."""
    first = re.split(r"[,/;]", url.partition("://")[2])[0]
    host, _, given = first.rpartition(":") if ":" in first else (first, "", "")
    if given and not given.isdigit():
        raise UsageError(f"engine.spark: {url} names no port", hint=f"such as HOST:{port}")
    try:
        socket.create_connection((host, int(given or port)), timeout=_ANSWERS).close()
    except OSError as e:
        raise EnvironmentFault(
            f"nothing answers at {url}: {e}",
            hint="start the cluster, or correct engine.spark in mlops.yaml",
        ) from e


def _await_workers(session: Any, url: str) -> None:
    """Wait for the first worker: a job without any would wait for ever."""
    if re.match(r"local(\[|$)", url):
        return
    status = session.sparkContext._jsc.sc()
    end = time.monotonic() + _WORKERS
    while status.getExecutorMemoryStatus().size() < 2:  # the driver is one of them
        if time.monotonic() > end:
            raise EnvironmentFault(
                f"{url} gave no worker within {_WORKERS:g} s",
                hint="is one free, with the memory and the cores that engine.settings ask for?",
            )
        time.sleep(0.1)


@contextmanager
def _faults(url: str) -> Iterator[None]:
    """What Spark complains of, as an error that says where and why."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _PANDAS)
            yield
    except MlopsError:
        raise
    except PySparkException as e:
        raise _fault(url, str(e)) from e
    except Exception as e:  # py4j's, and gRPC's: neither has a base of its own
        if type(e).__module__.partition(".")[0] not in ("py4j", "grpc"):
            raise
        raise _fault(url, str(e)) from e


def _fault(url: str, said: str) -> EnvironmentFault:
    if "JAVA_GATEWAY_EXITED" in said or "UnsupportedClassVersion" in said:
        return EnvironmentFault(f"Spark's Java did not start: {_short(said)}", hint=_JAVA)
    if missing := re.search(r"No module named '([\w.]+)'", said):
        return EnvironmentFault(
            f"a worker of {url} has no Python package {missing[1]!r}",
            hint="install mlops-cli of this version on every worker, or name the interpreter that "
            "has it by PYSPARK_PYTHON",
        )
    return EnvironmentFault(f"Spark at {url}: {_short(said)}", hint="its own log tells more")


def _short(said: str) -> str:
    """The cause: the last line of a worker's traceback, else the first line of what was said."""
    errors = re.findall(r"^(?:[\w.]+(?:Error|Exception|Fault)): .+$", said, re.M)
    return " ".join((errors[-1] if errors else said).split())[:300]
