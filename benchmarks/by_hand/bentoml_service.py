"""usage: bentoml_service.py MODEL     put the model into BentoML's store, for the service below

The service as https://docs.bentoml.com/en/latest/examples/xgboost.html has it, with a booster in
place of a classifier of scikit-learn, and batching on as its page on adaptive batching says.
"""

from __future__ import annotations

import sys

import bentoml
import numpy as np

if __name__ == "__main__":
    import xgboost as xgb

    bentoml.xgboost.save_model("flights", xgb.Booster(model_file=sys.argv[1]))


@bentoml.service(traffic={"timeout": 10})
class Flights:
    model_ref = bentoml.models.BentoModel("flights:latest")

    def __init__(self):
        self.model = bentoml.xgboost.load_model(self.model_ref)

    @bentoml.api(batchable=True)
    def predict(self, data: np.ndarray) -> np.ndarray:
        return self.model.inplace_predict(data)
