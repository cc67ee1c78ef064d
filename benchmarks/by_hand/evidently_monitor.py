"""usage: evidently_monitor.py REFERENCE CURRENT     Evidently's drift and classification presets"""

from __future__ import annotations

import json
import sys
import time
import warnings

import pandas as pd

warnings.simplefilter("ignore")
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.presets import ClassificationPreset, DataDriftPreset

_DEFINITION = DataDefinition(
    classification=[
        BinaryClassification(
            target="y", prediction_labels="label", prediction_probas="probability", pos_label=1
        )
    ]
)
started = time.perf_counter()
reference, current = (
    Dataset.from_pandas(pd.read_parquet(file), data_definition=_DEFINITION) for file in sys.argv[1:]
)
Report([DataDriftPreset(), ClassificationPreset()]).run(current, reference).dict()
print(json.dumps({"seconds": time.perf_counter() - started}))
