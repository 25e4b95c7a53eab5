"""`flowml` and `datasieve` from the package index, beside our `flowdapt` wheel: they import, and a PipeFill comes back from its artifacts.

The two are taken without their dependencies: flowml pins a deep learning library of gigabytes, of which only names are imported here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from places import COMPAT

PACKAGES = ["flowml==0.1.1", "datasieve==0.1.9"]

STANDINS = '''
import sys
import types


class Module(types.ModuleType):
    """Has every name that somebody asks for, as an empty class."""

    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {"__init__": lambda self, *values, **named: None})
        setattr(self, name, made)
        return made


for name in ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.optim.lr_scheduler", "torch.utils", "torch.utils.data",
             "torch.utils.tensorboard", "xgboost", "xgboost.dask"):
    module = sys.modules[name] = Module(name)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
sys.modules["xgboost"].callback = Module("xgboost.callback")
sys.modules["xgboost"].callback.TrainingCallback = type("TrainingCallback", (), {"EvalsLog": dict})

from sklearn.linear_model import Ridge


class XGBRegressor(Ridge):
    """What flowml uses of it, on something smaller."""

    def __init__(self, alpha=1.0, **others):
        super().__init__(alpha=alpha)

    def fit(self, X, y, eval_set=None, verbose=None):
        return super().fit(X, y)

    def set_params(self, **params):
        params.pop("callbacks", None)
        return super().set_params(**params)


sys.modules["xgboost"].XGBRegressor = XGBRegressor
'''

SCRIPT = """
import asyncio
import json
import sys

import standins
import datasieve.transforms as transforms
import flowdapt
import flowml
import numpy as np
import pandas as pd
from datasieve.pipeline import Pipeline
from flowdapt.builtins import utils
from flowdapt.compute import object_store
from flowdapt.compute.artifacts import get_artifact, list_artifacts
from flowdapt.compute.resources.workflow.execute import execute_workflow
from flowml.pipefill import PipeFill
from flowml.utils import make_train_test_datasets
from sklearn.preprocessing import MinMaxScaler


def train(strategy):
    frame = pd.DataFrame(np.random.default_rng(1).random((50, 3)), columns=["%-0", "%-1", "&-a"])
    features, labels = utils.extract_features_and_labels(frame)
    X, X_test, y, y_test, w, w_test = make_train_test_datasets(features, labels, 0.9, {"test_size": 0.1, "shuffle": False})
    pipefill = PipeFill(name_str="pf", namespace="ns", model_str="flowml.XGBoostRegressor", model_train_params={"alpha": 0.5})
    pipefill.feature_pipeline = Pipeline([("scaler", transforms.SKLearnWrapper(MinMaxScaler()))])
    X, y, w = pipefill.feature_pipeline.fit_transform(X, y, w)
    X_test, y_test, w_test = pipefill.feature_pipeline.transform(X_test, y_test, w_test)
    pipefill.model.fit(X, y, eval_set=[(X_test, y_test)])
    predicted = np.asarray(pipefill.model.predict(X_test)).ravel().tolist()
    object_store.put("pf", pipefill, strategy=strategy, save_artifact_hook=pipefill.to_artifact())
    return X_test, predicted


def predict(trained):
    X_test, predicted = trained
    pipefill = object_store.get("pf", load_artifact_hook=PipeFill.from_artifact())
    return {
        "same": np.asarray(pipefill.model.predict(X_test)).ravel().tolist() == predicted,
        "params": get_artifact("pf_model")["params"] if list_artifacts() else None,
        "artifacts": [artifact.name for artifact in list_artifacts()],
    }


stages = [{"name": "train", "target": train}, {"name": "predict", "target": predict, "depends_on": ["train"]}]
found = {"flowdapt": flowdapt.__version__}
for strategy in ("fallback", "artifact"):
    workflow = {"metadata": {"name": "w"}, "spec": {"stages": stages}}
    found[strategy] = asyncio.run(execute_workflow(workflow, {"strategy": strategy}, namespace="ns", return_result=True))
print(json.dumps(found))
"""


def run(*words: str | Path, **more: str) -> str:
    environment = {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, **more}
    done = subprocess.run([sys.executable, *map(str, words)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(300)
def test_round_trip(tmp_path: Path):
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    source = COMPAT.parents[1]
    run("-I", source / "pegboard" / "_wheel.py", source, wheels)
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--ignore-requires-python", "--target", installed)
    run(*pip, *PACKAGES, *wheels.glob("*.whl"))
    (tmp_path / "standins.py").write_text(STANDINS)
    (tmp_path / "script.py").write_text(SCRIPT)
    storage = {"FLOWDAPT__STORAGE__BASE_PATH": str(tmp_path / "storage")}
    found = json.loads(run(tmp_path / "script.py", PYTHONPATH=str(installed), **storage))
    assert found["flowdapt"] == "0.1.52"
    assert found["fallback"] == {"same": True, "params": None, "artifacts": []}
    assert found["artifact"] == {"same": True, "params": {"alpha": 0.5}, "artifacts": ["pf", "pf_model"]}
