"""A container that scores, on trial: a file of the golden rows, as users will give it theirs."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlops_cli import _docker
from mlops_cli.bundle.manifest import GOLDEN
from mlops_cli.bundle.reader import Bundle, GoldenRow
from mlops_cli.errors import EnvironmentFault
from mlops_cli.packaging.context import DATA
from mlops_cli.packaging.replay import golden_fault
from mlops_cli.packaging.smoke_test import on_trial
from mlops_cli.progress import Progress
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.serving.golden import difference
from mlops_cli.tables.events import predictions_in, table_of

_IN, _OUT = "golden.parquet", "scored.parquet"


def prove_scoring(client: Any, image: str, bundle: Bundle, *, progress: Progress) -> None:
    """Have `image` score a Parquet file of the golden rows: read-only, no rights, no network.

    Raises `EnvironmentFault` with the container's last words where it fails, or with row and field
    where a prediction differs. The container is removed in any case.
    """
    rows = list(bundle.golden())
    asked = [f"{DATA}/{_IN}", f"{DATA}/{_OUT}"]
    volume = {"Target": DATA, "Type": "volume"}
    with on_trial(client, image, command=asked, mounts=[volume], network_mode="none") as container:
        _docker.put_file(container, asked[0], _file_of(bundle, rows))
        container.start()
        progress.update(f"{len(rows)} golden rows are scored")
        if container.wait()["StatusCode"]:
            container.reload()
            raise EnvironmentFault(f"the container ended: {_docker.last_words(container)}")
        scored = pq.read_table(pa.BufferReader(_docker.file_in(container, asked[1])))
    _compare(bundle, rows, scored)
    progress.log(f"the image reproduces all {len(rows)} golden rows")


def _compare(bundle: Bundle, rows: list[GoldenRow], scored: pa.Table) -> None:
    found = predictions_in(scored, bundle.manifest)
    if len(found) != len(rows):
        raise golden_fault(f"{len(found)} rows were scored, of {len(rows)}")
    for n, (row, prediction) in enumerate(zip(rows, found, strict=True), 1):
        if field := difference(bundle.manifest, row.prediction, prediction):
            raise golden_fault(f"row {n} of {bundle.path / GOLDEN}: {field}")


def _file_of(bundle: Bundle, rows: list[GoldenRow]) -> bytes:
    encoder = RowEncoder(bundle.manifest, bundle.trees())
    table = table_of([(row.inputs, encoder.values(row.inputs)) for row in rows], bundle.manifest)
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()
