"""Each extra of pyproject.toml is installed beside the core and does what it is there for.

Where an extra is not installed its test skips; `nox -s extras` installs them all.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import tomllib
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from packaging.requirements import Requirement

from mlops_cli._adapters import load_adapter
from mlops_cli.errors import EnvironmentFault
from servers import free_port

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
EXTRAS: dict[str, list[str]] = tomllib.loads(PYPROJECT.read_text())["project"][
    "optional-dependencies"
]
TABLE = pa.table({"a": [1, 2, 3]})


@contextmanager
def answering(content: bytes) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server that answers everything with `content`; its address, and what it was asked."""
    asked: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Last-Modified", "Sun, 29 Nov 2026 00:00:00 GMT")
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815  the name that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(server.serve_forever)
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            server.server_close()


def sql(_: Path) -> None:
    from adbc_driver_sqlite import dbapi
    from sqlalchemy import create_engine, text

    with dbapi.connect(":memory:") as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("t", TABLE)
        cursor.execute("select sum(a) from t")
        assert sum(batch.num_rows for batch in cursor.fetch_record_batch()) == 1
    with create_engine("sqlite://").connect() as connection:
        assert connection.execute(text("select 1")).scalar() == 1


def postgres(_: Path) -> None:
    import adbc_driver_manager
    import psycopg
    from adbc_driver_postgresql import dbapi
    from sqlalchemy import create_engine

    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    assert create_engine(url).dialect.driver == "psycopg"
    with pytest.raises(psycopg.OperationalError, match=r"(?i)connection refused"):
        psycopg.connect(url)
    with pytest.raises(adbc_driver_manager.OperationalError, match=r"(?i)connection refused"):
        dbapi.connect(url)


def s3(_: Path) -> None:
    import obstore
    from obstore.store import S3Store

    with answering(b"bytes") as (url, asked):
        store = S3Store(
            "bucket",
            endpoint=url,
            region="us-east-1",
            skip_signature=True,
            client_options={"allow_http": True},
        )
        assert bytes(obstore.get(store, "a/key").bytes()) == b"bytes"
        assert asked[0][0] == "/bucket/a/key"


def gcs(_: Path) -> None:
    import obstore
    from obstore.store import GCSStore

    with answering(b"bytes") as (url, asked):
        account = f'{{"gcs_base_url": "{url}", "disable_oauth": true, "client_email": "", '
        account += '"private_key": "", "private_key_id": ""}'
        store = GCSStore("bucket", service_account_key=account, client_options={"allow_http": True})
        assert bytes(obstore.get(store, "a/key").bytes()) == b"bytes"
        assert asked[0][0] == "/bucket/a%2Fkey"


def azure(_: Path) -> None:
    import obstore
    from obstore.store import AzureStore

    with answering(b"bytes") as (url, asked):
        store = AzureStore(
            "container",
            account_name="account",
            endpoint=url,
            skip_signature=True,
            client_options={"allow_http": True},
        )
        assert bytes(obstore.get(store, "a/key").bytes()) == b"bytes"
        assert asked[0][0] == "/container/a/key"


def delta(folder: Path) -> None:
    from deltalake import DeltaTable, write_deltalake

    for _ in range(2):
        write_deltalake(folder, TABLE, mode="append")
    versions = [DeltaTable(folder, version=number).to_pyarrow_dataset() for number in (0, 1)]
    assert [version.count_rows() for version in versions] == [3, 6]


def kafka(_: Path) -> None:
    import fastavro
    from confluent_kafka import Consumer, Producer

    assert fastavro.parse_schema("long")

    producer = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    broker = next(iter(producer.list_topics(timeout=10).brokers.values()))
    producer.produce("events", b"one")
    assert producer.flush(10) == 0
    consumer = Consumer({
        "bootstrap.servers": f"{broker.host}:{broker.port}",
        "group.id": "test",
        "auto.offset.reset": "earliest",
    })  # fmt: skip
    consumer.subscribe(["events"])
    message = next(m for _ in range(60) if (m := consumer.poll(1.0)) is not None)
    consumer.close()
    assert message.value() == b"one"


def redis(_: Path) -> None:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as NoConnection
    from redis.retry import Retry

    client = Redis(port=free_port(), retry=Retry(NoBackoff(), 0), socket_timeout=1)
    with client, pytest.raises(NoConnection, match="refused"):
        client.get("key")


def spark(folder: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java: there is no java on PATH")
    from pyspark.sql import SparkSession

    def doubled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            values = [2 * value for value in batch.column("id").to_pylist()]
            yield type(batch).from_pydict({"id": values})

    os.environ["PYSPARK_PYTHON"] = sys.executable  # its workers' own; this process ends soon
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(folder))
        .getOrCreate()
    )
    try:
        found = session.range(3).mapInArrow(doubled, "id long").toArrow()
        assert found["id"].to_pylist() == [0, 2, 4]
    finally:
        session.stop()


def grpc(_: Path) -> None:
    import grpc as library
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    server = library.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with library.insecure_channel(f"127.0.0.1:{port}") as channel:
            client = health_pb2_grpc.HealthStub(channel)
            answer = client.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        server.stop(0).wait()


def otel(_: Path) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    name = f"predict-{uuid.uuid4().hex}"
    with answering(b"") as (url, asked):
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
        with provider.get_tracer("mlops").start_as_current_span(name):
            pass
        provider.shutdown()
    assert asked
    assert asked[0][0] == "/v1/traces"


def _learns(fit: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    x = np.random.default_rng(0).random((500, 2))
    y = x[:, 0] * 2 + x[:, 1]
    assert np.corrcoef(fit(x, y), y)[0, 1] > 0.9


def lightgbm(_: Path) -> None:
    from lightgbm import LGBMRegressor

    _learns(lambda x, y: LGBMRegressor(n_estimators=30, n_jobs=1, verbose=-1).fit(x, y).predict(x))


def catboost(_: Path) -> None:
    from catboost import CatBoostRegressor

    model = CatBoostRegressor(
        iterations=30, thread_count=1, allow_writing_files=False, logging_level="Silent"
    )
    _learns(lambda x, y: model.fit(x, y).predict(x))


def evidently(_: Path) -> None:
    import mlops_cli.reports.evidently  # what it draws: tests/reports/test_drift.py

    assert mlops_cli.reports.evidently.METHOD


EXERCISES = {
    exercise.__name__: exercise
    for exercise in (
        sql, postgres, s3, gcs, azure, delta, kafka, redis, spark, grpc, otel, lightgbm, catboost,
        evidently,
    )
}  # fmt: skip


def test_every_extra_has_an_exercise_and_all_brings_every_one() -> None:
    (everything,) = EXTRAS["all"]
    assert {*EXTRAS} - {"all"} == {*EXERCISES} == Requirement(everything).extras


@pytest.mark.parametrize("extra", EXERCISES)
def test_every_package_of_an_extra_has_a_floor(extra: str) -> None:
    for line in EXTRAS[extra]:
        assert ">=" in [part.operator for part in Requirement(line).specifier], line


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("extra", EXERCISES)
def test_an_extra_works_beside_the_core(extra: str, tmp_path: Path) -> None:
    for line in EXTRAS[extra]:
        asked = Requirement(line)
        try:
            found = importlib.metadata.version(asked.name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"the extra {extra} is not installed: {asked.name} is missing")
        assert found in asked.specifier
    EXERCISES[extra](tmp_path)


def test_a_missing_package_is_told_with_the_extra_that_brings_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "mlops_cli.training.lightgbm", raising=False)
    with pytest.raises(EnvironmentFault) as told:
        load_adapter("mlops_cli.training.lightgbm")
    assert told.value.hint == "pip install 'mlops-cli[lightgbm]'"
