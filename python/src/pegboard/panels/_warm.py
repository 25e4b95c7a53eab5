"""Imported by the parked interpreter that panel workers are forked from: does once what each would do first.

Plotly loads its validators and Dash its routes when they are used first, which takes longer than loading most plugins. The app that a
worker will have is made here, too: what is made before the fork is shared by all workers. Where `workbench` is the original one, nothing
of it is imported, since that asks AWS.
"""

from __future__ import annotations

import dash
import dash_ag_grid  # noqa: F401  (registers its components)
import dash_bootstrap_components as dbc
import networkx  # noqa: F401  (plugins of graphs)
import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
from dash import dcc, html

from pegboard.panels import _page, _worker  # noqa: F401  (all of the worker)
from pegboard.panels._encode import text_of
from pegboard.panels._package import is_ours
from pegboard.panels._site import park_site

__all__: list[str] = []


def _warm_up() -> None:
    figure = _themed() if is_ours() else go.Figure()
    text_of(html.Div([dcc.Graph(figure=figure), dbc.Row(dbc.Col(dcc.Dropdown(["a"])))]))
    pd.DataFrame({"x": [1, 2], "z": ["a", "b"]}).groupby("z").mean(numeric_only=True)
    park_site(_worker.DASHBOARD)
    dash.page_registry.clear()


def _themed() -> go.Figure:
    from workbench.utils import config_manager  # noqa: F401  (of every load)
    from workbench.utils.theme_manager import ThemeManager
    from workbench.web_interface.components.plugins import ag_table, model_plot, scatter_plot  # noqa: F401  (often embedded)
    from workbench.web_interface.page_views import page_view  # noqa: F401  (of every view)

    for theme in ThemeManager.list_themes():
        # Pinned, so that nobody is asked which theme is the default one.
        ThemeManager.set_theme(theme)
        ThemeManager.current_template()
    frame = pd.DataFrame({"x": [1, 2, 3], "y": [1.0, 2.0, 4.0], "z": ["a", "b", "a"]})
    figure = ThemeManager.apply_template(px.scatter(frame, x="x", y="y", color="z"))
    figure.add_annotation(text="warm", x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    ThemeManager.figure(go.Heatmap(z=[[1, 2], [3, 4]])).add_trace(go.Bar(x=["a"], y=[1]))
    ThemeManager.set_theme("auto")
    return figure


_warm_up()
