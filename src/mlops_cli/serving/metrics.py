"""What the server counts, in a registry of its own, for Prometheus."""

from __future__ import annotations

import platform
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from mlops_cli.bundle.reader import Bundle

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()
# Seconds; 0.2 stands among them because the default alert is at 200 ms.
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """Counters of one process; `exposition` is the text that Prometheus reads."""

    def __init__(self, bundle: Bundle) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "mlops_requests",
            "What was asked, by the status of its answer, but for pages; 499: the client left",
            ["code"],
            registry=self._registry,
        )
        self._codes = {200: self._requests.labels("200")}
        self._latency = Histogram(
            "mlops_request_seconds",
            "Time from a whole request to its answer",
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._predictions = Counter(
            "mlops_predictions", "Predictions answered", registry=self._registry
        )
        Info("mlops_model", "The model that answers", registry=self._registry).info(
            {
                "model": bundle.manifest.project,
                "version": bundle.version,
                "digest": bundle.digest,
                "python": platform.python_version(),
            }
        )

    def watch(self, in_flight: Callable[[], int], connections: Callable[[], int]) -> None:
        """Show what these say at the time of each scrape."""
        for name, said, value in (
            ("mlops_requests_in_flight", "Requests read and not yet answered", in_flight),
            ("mlops_connections", "Open connections", connections),
        ):
            Gauge(name, said, registry=self._registry).set_function(value)

    def count(self, status: int) -> None:
        """Count one request by its HTTP status."""
        counter = self._codes.get(status)
        if counter is None:
            counter = self._codes[status] = self._requests.labels(str(status))
        counter.inc()

    def answered(self, status: int, seconds: float, predictions: int) -> None:
        """Count one request to /v1/predict with its HTTP status, duration and predictions."""
        self.count(status)
        self._latency.observe(seconds)
        if predictions:
            self._predictions.inc(predictions)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
