"""usage: evidently_report.py REFERENCE CURRENT     Evidently's default report on drift"""

from __future__ import annotations

import json
import sys
import time
import warnings

import pandas as pd

warnings.simplefilter("ignore")
from evidently import Report
from evidently.presets import DataDriftPreset

started = time.perf_counter()
reference, current = (pd.read_parquet(file).drop(columns="y") for file in sys.argv[1:])
Report([DataDriftPreset()]).run(current, reference).dict()
print(json.dumps({"seconds": time.perf_counter() - started}))
