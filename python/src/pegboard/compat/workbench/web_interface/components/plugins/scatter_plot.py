"""Points, with a choice of the columns that place and colour them."""

from __future__ import annotations

from typing import Any

from ....utils.plot_utils import prediction_intervals
from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["ScatterPlot"]

DIAGONAL = "diagonal"
INTERVALS = "pred_intervals"


class ScatterPlot(PluginInterface):
    """Needs three columns of numbers. What was shown last is kept for the dropdowns."""

    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.DATAFRAME

    def __init__(self, show_axes: bool = True, show_controls: bool = True, height: int = 420, scroll_zoom: bool = True) -> None:
        super().__init__()
        self.show_axes = show_axes
        self.show_controls = show_controls
        self.height = height
        self.scroll_zoom = scroll_zoom
        self.df: Any = None
        self.hover_columns: list[str] = []
        self.custom_data: list[str] = []
        self.suppress_hover_display = False

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc, html

        self.component_id = component_id
        graph = dcc.Graph(
            id=f"{component_id}-graph",
            figure=self.display_text("Waiting for Data...", figure_height=self.height),
            config={"scrollZoom": self.scroll_zoom},
            clear_on_unhover=True,
        )
        style = {"flex": 1, "minWidth": "120px"}
        controls = [
            dcc.Dropdown(id=f"{component_id}-{each}-dropdown", className="dropdown", placeholder=each.upper(), clearable=False, style=style)
            for each in ("x", "y", "color")
        ]
        ticks = [
            dcc.Checklist(id=f"{component_id}-regression-line", options=[{"label": " Diagonal", "value": "show"}], value=[]),
            dcc.Checklist(id=f"{component_id}-pred-intervals", options=[{"label": " Intervals", "value": "show"}], value=[]),
        ]
        shown = {"display": "flex" if self.show_controls else "none", "gap": "10px", "alignItems": "center"}
        self.container = html.Div([graph, html.Div([*controls, *ticks], style=shown)], id=component_id)
        names = [f"{component_id}-{each}-dropdown" for each in ("x", "y", "color")]
        self.properties = [
            (f"{component_id}-graph", "figure"),
            *((name, "options") for name in names),
            *((name, "value") for name in names),
            (f"{component_id}-regression-line", "value"),
            (f"{component_id}-pred-intervals", "value"),
        ]
        self.signals = [(f"{component_id}-graph", "hoverData"), (f"{component_id}-graph", "clickData")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        frame = data_object
        limit = kwargs.get("limit", 20_000)
        if frame is None or frame.empty:
            return self._nothing("No Data")
        if len(frame) > limit:
            frame = frame.sample(limit, random_state=42)
        numbers = [str(name) for name in frame.select_dtypes("number").columns]
        if len(numbers) < 3:
            return self._nothing("At least three numeric columns are needed")
        self.df = frame
        self.hover_columns = kwargs.get("hover_columns") or [str(name) for name in frame.columns][:10]
        self.suppress_hover_display = bool(kwargs.get("suppress_hover_display"))
        identity = kwargs.get("id_column")
        self.custom_data = list(kwargs.get("custom_data") or ([identity] if identity else []))
        choices = kwargs.get("dropdown_columns") or numbers
        colors = list(dict.fromkeys([*choices, *([kwargs["color"]] if kwargs.get("color") else [])]))
        x = _one_of(kwargs.get("x"), frame, choices[0])
        y = _one_of(kwargs.get("y"), frame, choices[1 % len(choices)])
        color = _one_of(kwargs.get("color"), frame, choices[2 % len(choices)])
        line = bool(kwargs.get("regression_line"))
        bands = bool(kwargs.get("pred_intervals"))
        figure = self.create_scatter_plot(frame, x, y, color, line, bands)
        options = [[{"label": name, "value": name} for name in list_] for list_ in (choices, choices, colors)]
        ticked = [["show"] if each else [] for each in (line, bands)]
        return [figure, *options, x, y, color, *ticked]

    def _nothing(self, why: str) -> list[Any]:
        self.df = None
        return [self.display_text(why, figure_height=self.height), [], [], [], None, None, None, [], []]

    def create_scatter_plot(
        self, df: Any, x_col: str, y_col: str, color_col: str, regression_line: bool = False, pred_intervals: bool = False
    ) -> Any:
        import plotly.graph_objects as go

        figure = self.theme_manager.figure()
        if pred_intervals:
            prediction_intervals(df, figure, x_col)
        is_number = str(df[color_col].dtype) != "bool" and df[color_col].dtype.kind in "iuf"
        parts = [(None, df)] if is_number else [(str(value), part) for value, part in df.groupby(color_col, observed=True)]
        for name, part in parts:
            marker: dict[str, Any] = {"size": 8, "opacity": 0.8, "line": {"width": 0.5, "color": "rgba(0, 0, 0, 0.4)"}}
            if is_number:
                bar = {"title": color_col, "thickness": 12}
                marker |= {"color": part[color_col], "colorscale": self.theme_manager.colorscale(), "colorbar": bar}
            figure.add_trace(
                go.Scattergl(
                    x=part[x_col],
                    y=part[y_col],
                    mode="markers",
                    marker=marker,
                    name=name,
                    showlegend=name is not None,
                    customdata=part[self.custom_data].to_numpy() if self.custom_data else None,
                    **self._hover(part),
                )
            )
        if regression_line:
            low = float(min(df[x_col].min(), df[y_col].min()))
            high = float(max(df[x_col].max(), df[y_col].max()))
            shape = {"type": "line", "x0": low, "y0": low, "x1": high, "y1": high}
            figure.add_shape(**shape, line={"width": 3, "color": "rgba(128, 128, 128, 0.6)"}, layer="below")
        axes = {"visible": self.show_axes}
        layout = {"height": self.height, "margin": {"l": 40, "r": 20, "t": 20, "b": 40}, "showlegend": not is_number}
        return figure.update_layout(xaxis={"title": x_col, **axes}, yaxis={"title": y_col, **axes}, dragmode="pan", **layout)

    def _hover(self, part: Any) -> dict[str, Any]:
        if self.suppress_hover_display:
            return {"hoverinfo": "none"}
        names = [name for name in self.hover_columns if name in part.columns]
        texts = part[names].astype(str).apply(lambda row: "<br>".join(f"{name}: {row[name]}" for name in names), axis=1)
        return {"hovertext": texts, "hoverinfo": "text"}

    def set_theme(self, theme: str) -> list[Any]:
        from dash import no_update

        rest = [no_update] * (len(self.properties) - 1)
        if self.df is None:
            return [self.display_text("Waiting for Data...", figure_height=self.height), *rest]
        return [self._last(), *rest]

    def _last(self) -> Any:
        numbers = list(self.df.select_dtypes("number").columns)
        x, y, color = self._chosen if hasattr(self, "_chosen") else numbers[:3]
        return self.create_scatter_plot(self.df, x, y, color)

    def register_internal_callbacks(self) -> None:
        from dash import Input, Output, callback, no_update

        names = [f"{self.component_id}-{each}-dropdown" for each in ("x", "y", "color")]

        @callback(  # type: ignore[untyped-decorator]
            Output(f"{self.component_id}-graph", "figure", allow_duplicate=True),
            *(Input(name, "value") for name in names),
            Input(f"{self.component_id}-regression-line", "value"),
            Input(f"{self.component_id}-pred-intervals", "value"),
            prevent_initial_call=True,
        )
        def on_choice(x: str | None, y: str | None, color: str | None, line: list[str], bands: list[str]) -> Any:
            known = self.df is not None and all(name in self.df.columns for name in (x, y, color))
            if not known:
                # A fresh worker has not been given anything yet.
                return no_update
            self._chosen = (str(x), str(y), str(color))
            return self.create_scatter_plot(self.df, *self._chosen, bool(line), bool(bands))


def _one_of(wanted: str | None, frame: Any, otherwise: str) -> str:
    return wanted if wanted is not None and wanted in frame.columns else otherwise
