"""Each panel through `PluginUnitTest`, with a model and a table that are made up here."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from workbench.core.artifacts.model_core import ModelType
from workbench.web_interface.components.plugin_unit_test import PluginUnitTest

FOLDER = Path(__file__).resolve().parents[1]


def plugin_file(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(name).stem, FOLDER / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Model:
    """A classifier with two runs, one of which has predictions."""

    name = "wine"
    model_type = ModelType.CLASSIFIER

    def target(self) -> str:
        return "class"

    def list_inference_runs(self) -> list[str]:
        return ["first", "second", "empty", "model_training"]

    def default_inference_run(self) -> str:
        return "first"

    def get_inference_metrics(self, run: str) -> pd.DataFrame | None:
        if run == "empty":
            return None
        f1 = {"first": 0.5, "second": 0.75}.get(run, 1.0)
        return pd.DataFrame({"class": ["a", "b", "all"], "f1": [f1, f1, f1], "precision": [0.1, 0.2, 0.3], "support": [2, 2, 4]})

    def get_inference_predictions(self, run: str) -> pd.DataFrame | None:
        if run != "first":
            return None
        return pd.DataFrame({"class": ["a", "a", "b", "b"], "prediction": ["a", "b", "b", "b"], "confidence": [0.9, 0.5, 0.9, 0.7]})


class Regressor(Model):
    model_type = ModelType.REGRESSOR

    def target(self) -> str:
        return "y"

    def get_inference_metrics(self, run: str) -> pd.DataFrame | None:
        return pd.DataFrame({"rmse": [1.0], "r2": [0.5], "support": [4]}) if run == "first" else None

    def get_inference_predictions(self, run: str) -> pd.DataFrame | None:
        return pd.DataFrame({"y": [0.0, 1.0, 2.0, 3.0], "prediction": [0.0, 1.0, 2.5, 5.0]})


class Nothing(Model):
    def list_inference_runs(self) -> list[str]:
        return []

    def default_inference_run(self) -> None:
        return None


class Source:
    name = "table"

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def sample(self, rows: int = 100) -> pd.DataFrame:
        return self.frame.head(rows)


def call(test: PluginUnitTest, output: str, inputs: dict[str, Any]) -> Any:
    """What an internal callback answers to a browser."""
    client = test.app.server.test_client()
    known = [each["output"] for each in client.get("/_dash-dependencies").get_json()]
    key = next(each for each in known if output in each)
    names = key.strip(".").split("...")
    outputs = [{"id": name.rpartition(".")[0], "property": name.rpartition(".")[2]} for name in names]
    given = [{"id": name.rpartition(".")[0], "property": name.rpartition(".")[2], "value": value} for name, value in inputs.items()]
    body = {"output": key, "outputs": outputs if key.startswith("..") else outputs[0], "inputs": given, "changedPropIds": list(inputs)}
    return client.post("/_dash-update-component", json=body).get_json()["response"]


def test_metrics_of_all_runs() -> None:
    test = PluginUnitTest(plugin_file("components/run_metrics.py").RunMetrics, input_data=Model())
    names, chosen, figure = test.results
    assert (names, chosen) == (["f1", "precision"], "f1")
    assert figure.layout.xaxis.type == "category"
    assert [(bar.name, list(bar.x), list(bar.y)) for bar in figure.data] == [
        ("first", ["a", "b", "all"], [0.5, 0.5, 0.5]),
        ("second", ["a", "b", "all"], [0.75, 0.75, 0.75]),
        ("model_training", ["a", "b", "all"], [1.0, 1.0, 1.0]),
    ]
    answer = call(test, "runmetrics_test-graph.figure@", {"runmetrics_test-metric.value": "precision"})
    assert answer["runmetrics_test-graph"]["figure"]["layout"]["yaxis"]["title"]["text"] == "precision"
    assert len(test.plugin.set_theme("light")) == 3


def test_metrics_of_a_regressor_and_of_nothing() -> None:
    kind = plugin_file("components/run_metrics.py").RunMetrics
    names, chosen, figure = PluginUnitTest(kind, input_data=Regressor()).results
    assert (names, chosen, list(figure.data[0].x)) == (["rmse", "r2"], "rmse", ["all"])
    names, chosen, figure = PluginUnitTest(kind, input_data=Nothing()).results
    assert (names, chosen, figure.layout.annotations[0].text) == ([], None, "This model has no metrics")


def test_sureness_of_a_classifier() -> None:
    test = PluginUnitTest(plugin_file("components/sureness.py").Sureness, input_data=Model(), inference_run="first")
    figure, verdict = test.results
    assert [line.name for line in figure.data] == ["rows", "right among them"]
    assert verdict == "At least 80% sure: 50% of the rows, of which 100.0% are right"
    answer = call(test, "sureness_test-verdict.children@", {"sureness_test-threshold.value": 0.0})
    assert answer["sureness_test-verdict"]["children"] == "At least 0% sure: 100% of the rows, of which 75.0% are right"
    answer = call(test, "sureness_test-verdict.children@", {"sureness_test-threshold.value": 1.0})
    assert answer["sureness_test-verdict"]["children"] == "No prediction is as sure as 100%"


def test_sureness_of_a_regressor_and_of_nothing() -> None:
    kind = plugin_file("components/sureness.py").Sureness
    figure, verdict = PluginUnitTest(kind, input_data=Regressor()).results
    assert (len(figure.data), verdict) == (1, "75% of the rows are off by at most 1.6")
    figure, verdict = PluginUnitTest(kind, input_data=Nothing()).results
    assert (figure.layout.annotations[0].text, verdict) == ("No predictions to judge", "")


def test_profiles_of_columns() -> None:
    frame = pd.DataFrame({"n": [float(each) for each in range(19)] + [500.0], "word": ["a", "b", "a", None] * 5})
    test = PluginUnitTest(plugin_file("components/column_profile.py").DataSourceProfile, input_data=Source(frame))
    names, chosen, figure, words = test.results
    assert (names, chosen, figure.data[0].type) == (["n", "word"], "n", "histogram")
    assert "**1** far from the rest" in words
    answer = call(test, "datasourceprofile_test-graph.figure@", {"datasourceprofile_test-column.value": "word"})
    assert answer["datasourceprofile_test-graph"]["figure"]["data"][0]["type"] == "bar"
    assert "**25.0%** missing" in answer["datasourceprofile_test-words"]["children"]
    # Another table with that column keeps the choice.
    assert test.plugin.update_properties(Source(frame))[1] == "word"
    assert test.plugin.update_properties(Source(frame[["n"]]))[1] == "n"
    assert test.plugin.update_properties(Source(frame[[]]))[0] == []


@pytest.mark.parametrize("page", ["data_source", "feature_set"])
def test_a_profile_for_each_page(page: str) -> None:
    module = plugin_file("components/column_profile.py")
    kind = {"data_source": module.DataSourceProfile, "feature_set": module.FeatureSetProfile}[page]
    assert kind.auto_load_page.value == kind.plugin_input_type.value == page


def test_the_best_come_first() -> None:
    view = plugin_file("views/leaderboard_view.py")
    frame = view.ranked([*view.rows_of(Regressor()), *view.rows_of(Model()), *view.rows_of(Nothing())])
    assert list(frame["Run"]) == ["second", "first", "first"]
    assert list(frame["Metric"]) == ["f1", "f1", "r2"]
    assert list(frame["id"]) == [0, 1, 2]
    assert view.ranked([]).empty
