"""A model in words: what it is, and the metrics of one of its runs."""

from __future__ import annotations

from typing import Any

from ....utils.markdown_utils import df_to_html_table, dict_to_markdown, health_tag_markdown, tags_to_markdown
from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["ModelDetails"]

SHOWN = (
    ("Owner", "workbench_owner"),
    ("Input", "input"),
    ("Type", "workbench_model_type"),
    ("Framework", "workbench_model_framework"),
    ("Target", "workbench_model_target"),
    ("Created", "created"),
    ("Modified", "modified"),
)
MOST_FEATURES = 20


class ModelDetails(PluginInterface):
    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.MODEL

    def __init__(self) -> None:
        super().__init__()
        self.current_model: Any = None

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc, html

        self.component_id = component_id
        self.container = html.Div(
            id=component_id,
            children=[
                html.H4("Model: Loading...", id=f"{component_id}-header"),
                dcc.Markdown(id=f"{component_id}-summary"),
                html.H5("Inference Metrics"),
                dcc.Dropdown(id=f"{component_id}-dropdown", className="dropdown", clearable=False, options=[]),
                dcc.Markdown(id=f"{component_id}-metrics", dangerously_allow_html=True),
                dcc.Store(id=f"{component_id}-model-name"),
            ],
        )
        self.properties = [
            (f"{component_id}-header", "children"),
            (f"{component_id}-summary", "children"),
            (f"{component_id}-dropdown", "options"),
            (f"{component_id}-dropdown", "value"),
            (f"{component_id}-metrics", "children"),
            (f"{component_id}-model-name", "data"),
        ]
        self.signals = [(f"{component_id}-dropdown", "value")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        self.current_model = data_object
        runs = data_object.list_inference_runs()
        asked = kwargs.get("inference_run")
        is_other = kwargs.get("previous_model_name") not in (None, data_object.name)
        run = asked if asked in runs and not is_other else data_object.default_inference_run() or next(iter(runs), None)
        return [
            f"Model: {data_object.name}",
            self.summary(data_object),
            runs,
            run,
            self.inference_metrics(data_object, run),
            data_object.name,
        ]

    def register_internal_callbacks(self) -> None:
        from dash import Input, Output, callback, no_update

        @callback(  # type: ignore[untyped-decorator]
            Output(f"{self.component_id}-metrics", "children", allow_duplicate=True),
            Input(f"{self.component_id}-dropdown", "value"),
            prevent_initial_call=True,
        )
        def on_run(run: str | None) -> Any:
            return no_update if self.current_model is None else self.inference_metrics(self.current_model, run)

    @staticmethod
    def summary(model: Any) -> str:
        summary = model.summary()
        facts = {title: summary[key] for title, key in SHOWN if summary.get(key) not in (None, "")}
        for key in ("Created", "Modified"):
            facts[key] = f"{facts[key]:%Y-%m-%d %H:%M}"
        features = summary.get("workbench_model_features") or []
        text = health_tag_markdown(summary["health_tags"]) + "\n" + dict_to_markdown(facts)
        if features:
            more = f" and {len(features) - MOST_FEATURES} more" if len(features) > MOST_FEATURES else ""
            text += f"\n**Features:** {', '.join(features[:MOST_FEATURES])}{more}\n"
        if summary.get("hyperparameters"):
            text += "\n" + dict_to_markdown(summary["hyperparameters"], title="Hyperparameters")
        tags = summary.get("workbench_tags")
        return text + (f"\n**Tags:** {tags_to_markdown(tags)}\n" if tags else "")

    @staticmethod
    def inference_metrics(model: Any, run: str | None) -> str:
        frame = None if run is None else model.get_inference_metrics(run)
        if frame is None:
            return "**No metrics**"
        meta = model.get_inference_metadata(run)
        said = ""
        if meta is not None:
            said = f"**{meta['name'].iloc[0]}**: {meta['num_rows'].iloc[0]} rows\n\n"
        return said + df_to_html_table(frame, round_digits=3)
