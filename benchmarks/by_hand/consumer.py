"""usage: consumer.py SERVERS TOPIC FILE     all records of a topic, JSON, into Parquet"""

from __future__ import annotations

import json
import sys
import time

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

started = time.perf_counter()
servers, topic, file = sys.argv[1:]
consumer = Consumer(
    {
        "bootstrap.servers": servers,
        "group.id": "by-hand",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    }
)
partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
writer, rows, ended = None, 0, set[int]()
while len(ended) < len(partitions):
    values = []
    for message in consumer.consume(20_000, timeout=1.0):
        error = message.error()
        if error is None:
            values.append(message.value())
        elif error.code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
    if values:
        table = pj.read_json(pa.BufferReader(b"\n".join(values)))
        writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
        writer.write_table(table)
        rows += len(values)
if writer:
    writer.close()
consumer.close()
print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}))
