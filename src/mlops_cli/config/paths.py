"""Every file of a project by name, relative to the project's folder, as DVC and git have it."""

from __future__ import annotations

CONFIG = "mlops.yaml"
SETTINGS = "settings"  # mlops.yaml as each stage depends on it
REJECTED = "data/rejected.parquet"
REJECTS = "data/rejected"  # records of a source that could not be read
FEATURES_TABLE = "data/features.parquet"
FEATURES_PLAN = "data/features.json"
TUNE = "tune"
MODEL = "model"
METRICS_FILE = "metrics.json"
PLOTS = "reports/plots"
EVALUATION = "reports/evaluation.json"
EVALUATION_PAGE = "reports/evaluation.html"
MODEL_CARD = "reports/card.md"  # what `mlops card` told last
MODEL_CARD_JSON = "reports/card.json"
MODEL_CARD_PAGE = "reports/card.html"
FEATURES_PAGE = "reports/features.html"  # what `mlops features page` told last
FEATURE_REGISTRY = "features/registry.yaml"  # whose features are, and their versions
SUGGESTIONS = "features/suggested.yaml"  # what `mlops features suggest` found last
DECISION = "decision.json"
AUDIT_LOG = "governance/audit.jsonl"
ERASED = "governance/erased.jsonl"  # which object of DVC was written again as which
IMAGE = "image"
SIGNATURES = "signatures"  # of bundles and images, by version
VALIDATE_REPORT = "reports/validate.json"
CONTRACT_PAGE = "reports/contract.html"
DRIFT_REPORT = "reports/drift.json"
DRIFT_PAGE = "reports/drift.html"
AB_REPORT = "reports/ab.json"  # what the last experiment found
MONITOR_PAGE = "reports/monitor.html"
PREDICTIONS = "monitoring/predictions"  # collected from the prediction log, a folder a day
LABELS = "monitoring/labels"  # what came of them
ALERTS = "monitoring/alerts.jsonl"  # what fired and resolved, what was sent, what is silenced
ALERTS_JUDGED = "monitoring/alerts.json"  # up to when each alert was judged
WINDOWS = "monitoring/windows.jsonl"  # what `monitor` found, a line for each window
REQUEST = "examples/request.json"
DATABASE = "mlflow.db"  # the registry of the project itself
DVC_YAML = "dvc.yaml"
DVC_LOCK = "dvc.lock"
CACHE = ".mlops"
ONLINE = f"{CACHE}/online/store.sqlite"
TEMPLATE_RECORD = ".mlops-init.json"
OWN_DOCKERFILE = "templates/image/Dockerfile.j2"
