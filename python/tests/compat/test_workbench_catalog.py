"""Artifacts as plugins see them, and the built-in components over them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import networkx as nx
import pandas as pd
import plotly.graph_objects as go
import plotly.utils
import pytest
from dash import no_update
from flask import Flask
from workbench import api
from workbench.cached import cached_artifact_mixin
from workbench.cached.cached_data_source import CachedDataSource
from workbench.cached.cached_endpoint import CachedEndpoint
from workbench.cached.cached_feature_set import CachedFeatureSet
from workbench.cached.cached_meta import CachedMeta
from workbench.cached.cached_model import CachedModel
from workbench.core.artifacts import artifact
from workbench.core.artifacts.athena_source import AthenaSource
from workbench.core.artifacts.model_core import ModelCore, ModelFramework, ModelType
from workbench.utils.color_utils import color_to_rgba, is_dark, sample_colorscale_rgba
from workbench.utils.pandas_utils import compute_confusion, dataframe_delta, proba_to_conf
from workbench.utils.pipeline_utils import endpoint_group_paths
from workbench.utils.symbols import tag_symbols
from workbench.utils.theme_manager import ThemeManager
from workbench.web_interface.components.correlation_matrix import CorrelationMatrix
from workbench.web_interface.components.endpoint_metric_plots import EndpointMetricPlots
from workbench.web_interface.components.plugins.ag_table import AGTable
from workbench.web_interface.components.plugins.confusion_explorer import ConfusionExplorer
from workbench.web_interface.components.plugins.confusion_matrix import ConfusionMatrix
from workbench.web_interface.components.plugins.data_details import DataDetails
from workbench.web_interface.components.plugins.endpoint_details import EndpointDetails
from workbench.web_interface.components.plugins.example_plot import ExamplePlot
from workbench.web_interface.components.plugins.graph_plot import GraphPlot
from workbench.web_interface.components.plugins.model_details import ModelDetails
from workbench.web_interface.components.plugins.model_plot import ModelPlot
from workbench.web_interface.components.plugins.scatter_plot import ScatterPlot
from workbench.web_interface.components.plugins.shap_summary_plot import ShapSummaryPlot
from workbench.web_interface.components.violin_plots import ViolinPlots
from workbench.web_interface.page_views.models_page_view import ModelsPageView

from compat.workbench_catalog import MemoryCatalog, filled


@pytest.fixture(autouse=True)
def catalog(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryCatalog]:
    found = filled()
    monkeypatch.setattr(artifact, "catalog", found)
    cached_artifact_mixin._kept.clear()
    CachedMeta().clear_cache()
    ThemeManager.set_theme("auto")
    yield found


def test_relations_of_the_classes():
    assert not isinstance(CachedModel("wine"), api.Model)
    assert isinstance(CachedModel("wine"), ModelCore)
    assert isinstance(api.DataSource("x"), AthenaSource)


def test_what_is_not_there_is_made_all_the_same():
    model = CachedModel("nothing")
    assert (model.exists(), model.ready(), model.get_status(), model.get_owner()) == (False, False, "unknown", "unknown")
    assert model.model_type == ModelType.UNKNOWN
    assert model.get_inference_predictions() is None


def test_a_model_in_full():
    model = CachedModel("wine")
    assert (model.model_type, model.model_framework) == (ModelType.CLASSIFIER, ModelFramework.SKLEARN)
    assert model.list_inference_runs() == ["another", "full_cross_fold", "model_training"]
    assert model.default_inference_run() == "full_cross_fold"
    assert model.class_labels() == ["x", "y", "z"]
    assert model.shap_importance() == [("a", 0.9), ("b", 0.1)]
    assert list(model.shap_values()) == ["x", "y"]
    assert list(model.get_inference_metadata().columns) == ["name", "data_hash", "num_rows", "description"]
    predictions = model.get_inference_predictions()
    # Labels that lie apart: x and z two steps, x and y one.
    assert set(predictions["residual"]) == {0, 1, 2}
    assert "residual" not in api.Model("wine").get_inference_predictions().columns
    summary = model.summary()
    assert list(summary)[:6] == ["name", "health_tags", "size", "created", "modified", "input"]
    assert (summary["input"], summary["hyperparameters"]) == ("abalone_features", None)
    assert isinstance(summary["created"], datetime)
    details = model.details()
    for key in "pipeline model_type model_package_arn description version status approval_status image framework inference_meta".split():
        assert key in details
    assert details["workbench_training_metrics"] == {"f1": {0: 0.9}}
    regression = CachedModel("abalone-regression")
    assert regression.endpoints() == ["abalone-regression"]
    assert api.Model("abalone-regression").endpoint().name == "abalone-regression"
    assert regression.class_labels() is None
    assert set(regression.get_inference_predictions()["residual"].round(6)) == {1.0}


def test_answers_are_kept_and_copied_until_the_artifact_changes(catalog: MemoryCatalog):
    model = CachedModel("wine")
    model.confusion_matrix().drop(columns="labels", inplace=True)
    assert "labels" in model.confusion_matrix().columns
    catalog.tables["model", "wine", "runs/full_cross_fold/confusion_matrix"] = pd.DataFrame({"labels": []})
    assert len(model.confusion_matrix()) == 3
    model.set_owner("otto")
    assert len(model.confusion_matrix()) == 0
    assert model.get_owner() == "otto"


def test_tables_and_feature_sets():
    table = CachedDataSource("abalone_data")
    assert (table.num_rows(), table.num_columns()) == (40, 4)
    assert table.column_details() == {"id": "bigint", "a": "double", "b": "double", "class": "string"}
    assert table.get_tags() == ["one", "two"]
    assert table.workbench_meta()["workbench_tags"] == "one::two"
    details = table.details()
    assert details["created"] == "2026-01-02T03:04:05.000000Z"
    for key in "num_rows num_columns column_details s3_storage_location storage_type aws_url column_stats".split():
        assert key in details
    assert "outlier_group" in table.smart_sample().columns
    assert table.view("display").columns == ["id", "a", "b", "class"]
    features = CachedFeatureSet("abalone_features")
    assert features.id_column == "id"
    assert features.column_details() == {"id": "Integral", "a": "Fractional", "b": "Fractional", "class": "String"}
    assert features.get_input() == "abalone_data"
    assert features.data_source.num_rows() == 40


def test_endpoints():
    endpoint = CachedEndpoint("abalone-regression")
    assert endpoint.is_serverless()
    metrics = endpoint.endpoint_metrics()
    assert str(metrics["timestamps"].dt.tz) == "UTC"
    assert {"status", "instance", "instance_count", "variant", "endpoint_metrics"} <= set(endpoint.details())


COLUMNS = {
    "data_sources": "Name, Health, Owner, Database, Modified, Columns, Input, Tags, _aws_url",
    "feature_sets": "Feature Group, Health, Owner, Created, Modified, Num Columns, Input, Online, Offline, Tags, _aws_url",
    "models": "Model Group, Health, Owner, Type, Framework, Created, Modified, Ver, Input, Status, Description, Tags, _aws_url",
    "endpoints": "Name, Health, Owner, Instance, Created, Modified, Input, Status, Config, Variant, Capture, Samp(%), Tags, Monitored",
    "incoming_data": "Name, Size, Modified, ContentType, Encryption, Tags, _aws_url",
    "etl_jobs": "Name, Workers, WorkerType, Start Time, Duration, State, _aws_url",
    "champion_models": "Model, Endpoint",
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("is_empty", [False, True])
def test_columns_of_the_lists(name: str, is_empty: bool, catalog: MemoryCatalog):
    if is_empty:
        catalog.artifacts_by_key.clear()
    frame = getattr(api.Meta(), name)()
    assert ", ".join(frame.columns) == COLUMNS[name]
    assert is_empty is frame.empty or name in ("incoming_data", "etl_jobs")


def test_lists(catalog: MemoryCatalog):
    catalog.artifacts_by_key["model", "wine"]["modified_at"] = "2026-03-01T00:00:00.000000Z"
    models = api.Meta().models(details=True)
    assert list(models["Model Group"]) == ["wine", "abalone-regression"]
    assert list(models["Type"]) == ["classifier", "regressor"]
    assert set(api.Meta().models()["Type"]) == {"Unknown"}
    asked = len(list(CachedMeta().models()["Type"]))
    assert (asked, CachedMeta() is CachedMeta()) == (2, True)
    shown = ModelsPageView().models()
    assert list(shown.columns[-2:]) == ["name", "id"]
    assert not {"Ver", "Status", "_aws_url"} & set(shown.columns)
    assert list(shown["Modified"]) == ["2026-03-01 00:00", "2026-01-02 03:04"]
    assert endpoint_group_paths(api.Meta().pipelines()) == {"abalone-regression": ["unknown"]}


def test_stores():
    parameters = api.ParameterStore()
    parameters.upsert("/a/b", {"x": [1]})
    assert (parameters.get("/a/b"), parameters.list("/a"), parameters.get("/none", warn=False)) == ({"x": [1]}, ["/a/b"], None)
    frames = api.DFStore("/mine")
    frames.upsert("/one", pd.DataFrame({"x": [1]}))
    assert (frames.list(), frames.check("one"), api.DFStore().list()) == (["/one"], True, ["/mine/one"])
    assert frames.get("/one").equals(pd.DataFrame({"x": [1]}))
    assert list(frames.summary().columns) == ["location", "size (MB)", "modified"]
    graphs = api.GraphStore()
    graphs.upsert("test/karate_club", nx.karate_club_graph())
    assert len(graphs.get("test/karate_club").edges) == 78
    parameters.delete("/a/b")
    assert parameters.list() == []


def ids(plugin: Any) -> list[str]:
    return [f"{identity}.{name}" for identity, name in plugin.properties]


SCATTER = "graph.figure x-dropdown.options y-dropdown.options color-dropdown.options x-dropdown.value y-dropdown.value"
SCATTER += " color-dropdown.value regression-line.value pred-intervals.value"
EXPLORER = "matrix.figure triangle-graph.figure triangle-color-dropdown.options triangle-color-dropdown.value"
EXPLORER += " confidence-slider.marks confidence-slider.min confidence-slider.value"
PROPERTIES = {
    ModelDetails: "header.children summary.children dropdown.options dropdown.value metrics.children model-name.data",
    ScatterPlot: SCATTER,
    ConfusionExplorer: EXPLORER,
    ModelPlot: " ".join(
        [
            "scatter-container.style confusion-container.style",
            *(f"scatter-{each}" for each in SCATTER.split()),
            *(f"confusion-{each}" for each in EXPLORER.split()),
        ]
    ),
    EndpointDetails: "header.children details.children",
    DataDetails: "header.children details.children",
    GraphPlot: "graph.figure label-dropdown.options color-dropdown.options label-dropdown.value color-dropdown.value",
}


@pytest.mark.parametrize("kind", PROPERTIES)
def test_ids_that_pages_rely_on(kind: Any):
    plugin = kind()
    plugin.create_component("c")
    assert ids(plugin) == [f"c-{each}" for each in PROPERTIES[kind].split()]


GRAPH = nx.karate_club_graph()
SHOWN = [
    (AGTable, lambda: api.Meta().models(details=True)),
    (ModelDetails, lambda: CachedModel("wine")),
    (ModelDetails, lambda: CachedModel("abalone-regression")),
    (ModelPlot, lambda: CachedModel("wine")),
    (ModelPlot, lambda: CachedModel("abalone-regression")),
    (ConfusionMatrix, lambda: CachedModel("wine")),
    (ConfusionExplorer, lambda: CachedModel("wine")),
    (ShapSummaryPlot, lambda: CachedModel("wine")),
    (ShapSummaryPlot, lambda: CachedModel("abalone-regression")),
    (ExamplePlot, lambda: CachedModel("wine")),
    (DataDetails, lambda: CachedDataSource("abalone_data")),
    (EndpointDetails, lambda: CachedEndpoint("abalone-regression")),
    (GraphPlot, lambda: GRAPH),
    (ScatterPlot, lambda: CachedModel("abalone-regression").get_inference_predictions()),
]


@pytest.mark.parametrize(("kind", "thing"), SHOWN, ids=lambda each: getattr(each, "__name__", ""))
def test_built_in_components_show_and_change_their_theme(kind: Any, thing: Any):
    plugin = kind()
    plugin.create_component("c")
    before = plugin.set_theme("light")
    values = plugin.update_properties(thing())
    assert len(values) == len(before) == len(plugin.properties) == len(plugin.set_theme("light"))
    text = json.dumps([None if each is no_update else each for each in values], cls=plotly.utils.PlotlyJSONEncoder)
    assert "Crashed" not in text


def test_a_table_shows_symbols_and_takes_its_height():
    table = AGTable()
    table.create_component("t", max_height=100)
    columns, rows, style = table.update_properties(api.Meta().data_sources())
    assert columns[0] == {"headerName": "Name", "field": "Name"}
    assert rows[0]["Health"] == "🟢➖"  # noqa: RUF001
    assert style == {"height": "63px", "overflow": "auto"}


def test_the_run_that_was_chosen_stays_until_the_model_is_another():
    details = ModelDetails()
    details.create_component("c")
    for kwargs, expected in (
        ({}, "full_cross_fold"),
        ({"inference_run": "another", "previous_model_name": "wine"}, "another"),
        ({"inference_run": "another", "previous_model_name": "other"}, "full_cross_fold"),
    ):
        assert details.update_properties(CachedModel("wine"), **kwargs)[3] == expected


def test_a_cell_and_a_confidence_choose_the_points():
    explorer = ConfusionExplorer()
    explorer.create_component("c")
    assert explorer.chosen_figure(None, None, None) is no_update
    explorer.update_properties(CachedModel("wine"))
    count = lambda figure: sum(len(trace.a) for trace in figure.data)  # noqa: E731
    assert count(explorer.chosen_figure(None, 0.5, "class")) == 40
    assert count(explorer.chosen_figure({"actual": "x", "predicted": "x"}, None, None)) == 7
    assert count(explorer.chosen_figure(None, 0.9, None)) == 0


def test_plots_that_give_one_figure():
    for kind, thing in (
        (ViolinPlots, CachedDataSource("abalone_data")),
        (CorrelationMatrix, CachedDataSource("abalone_data").details()),
        (EndpointMetricPlots, CachedEndpoint("abalone-regression")),
    ):
        component = kind()
        component.create_component("c")
        assert isinstance(component.update_properties(thing), go.Figure)
        assert len(component.update_properties(thing).data) > 0


def test_themes():
    manager = ThemeManager()
    assert set(manager.list_themes()) == {"dark", "light", "midnight_blue"}
    assert manager.current_theme() == "dark"
    with Flask("x").test_request_context(headers={"Cookie": "wb_theme=light"}):
        assert (manager.current_theme(), manager.data_bs_theme(), manager.dark_mode()) == ("light", "light", False)
        light = manager.figure().layout.template.layout.paper_bgcolor
    assert manager.figure().layout.template.layout.paper_bgcolor != light
    manager.set_theme("midnight_blue")
    assert manager.current_theme() == "midnight_blue"
    manager.set_theme("no-such-theme")
    assert manager.current_theme() == "dark"
    for kind in ("sequential", "sequentialminus", "diverging", "heatmap", "muted_heatmap", "unknown"):
        assert [stop[0] for stop in manager.colorscale(kind)][::4][0] == 0
    assert manager.background().startswith("rgba(")
    assert manager.css_files()[0] == "/base.css"
    assert sorted(manager.get_dark_themes()) == ["dark", "midnight_blue"]


def test_small_things():
    for tags, expected in (
        ("", "🟢"),
        ("no_activity", "🟢➖"),  # noqa: RUF001
        ("failed:no_activity", "🔴➖"),  # noqa: RUF001
        ("odd", "odd"),
    ):
        assert tag_symbols(tags) == expected
        assert tag_symbols(tag_symbols(tags)) == expected
    assert color_to_rgba("#ff000080") == "rgba(255, 0, 0, 0.502)"
    assert (is_dark("rgb(0, 0, 0)"), is_dark("#ffffff")) == (True, False)
    assert sample_colorscale_rgba([[0, "rgb(0, 0, 0)"], [1, "rgb(100, 200, 50)"]], 5, 0, 10) == "rgba(50, 100, 25, 1)"
    frame = pd.DataFrame({"c": ["x", "y"], "prediction": ["x", "x"], "x_proba": [1.0, 0.5], "y_proba": [0.0, 0.5]})
    assert "confusion" not in compute_confusion(frame)
    judged = compute_confusion(pd.DataFrame({"residual": [0, 0, 1], "confidence": [1.0, 0.5, 1.0]}))
    assert list(judged["confusion"]) == [0.0, 0.25, 1.0]
    assert list(proba_to_conf(frame)) == [1.0, 0.0]
    found, digest = dataframe_delta(lambda: frame, None)
    assert found is frame
    assert dataframe_delta(lambda: frame, digest) == (None, digest)


def test_components_as_they_were_until_december_2024():
    from sageworks.web_interface.components.model_plot import ModelPlot as FormerPlot
    from sageworks.web_interface.components.plugins.ag_table import AGTable as FormerTable

    table = FormerTable()
    table.create_component("t", header_color="rgb(60, 60, 60)", max_height=400)
    assert table.properties == [("t", "columnDefs"), ("t", "rowData")]
    columns, rows = table.update_properties(pd.DataFrame({"a": [1]}))
    assert (columns, rows) == ([{"headerName": "a", "field": "a"}], [{"a": 1}])
    plot = FormerPlot()
    plot.create_component("p")
    assert plot.update_properties(CachedModel("wine"), "full_cross_fold").data[0].type == "heatmap"
    assert len(plot.update_properties(CachedModel("abalone-regression"), "full_cross_fold").data) == 2
    assert plot.update_properties(CachedModel("abalone-regression"), "nothing").layout.annotations[0].text == "No predictions"
