"""A page of its own: all models, the best first, and what the chosen one is like.

The table is a view's, the plot below a panel of this folder: both are found by name.
"""

from __future__ import annotations

from typing import Any

import dash
import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Input, Output, dcc, html, no_update
from workbench.cached.cached_model import CachedModel
from workbench.utils.plugin_manager import PluginManager
from workbench.web_interface.components.plugins.ag_table import AGTable
from workbench.web_interface.utils.page_callbacks import plugin_outputs, register_theme_callback, sync_selection


class LeaderboardPage:
    def __init__(self) -> None:
        self.table = AGTable()
        self.plot = PluginManager().get_web_plugin("RunMetrics")
        self.view = PluginManager().get_view("LeaderboardView")

    def page_setup(self, app: dash.Dash) -> None:
        table = self.table.create_component("leaderboard-table", max_height=320)
        plot = self.plot.create_component("leaderboard-metrics")
        layout = dbc.Container(
            [
                dcc.Interval(id="leaderboard-refresh", interval=60_000),
                dcc.Store(id="leaderboard-loaded", data=False),
                html.H2("Leaderboard", className="leaderboard-title"),
                html.Div(id="leaderboard-headline", className="leaderboard-headline"),
                table,
                html.Div(plot, className="mt-3"),
            ],
            fluid=True,
        )
        dash.register_page("leaderboard", path="/leaderboard", name="Leaderboard", title="Leaderboard", layout=layout)
        self.plot.register_internal_callbacks()
        sync_selection("leaderboard-table", "leaderboard-loaded")
        register_theme_callback([self.plot])
        self.register_callbacks(app)

    def register_callbacks(self, app: dash.Dash) -> None:
        @app.callback(plugin_outputs([self.table]), Input("leaderboard-refresh", "n_intervals"))
        def on_time(_: int | None) -> list[Any]:
            self.view.refresh()
            return self.table.update_properties(self.view.view_data())

        @app.callback(plugin_outputs([self.plot]), Input("leaderboard-table", "selectedRows"), prevent_initial_call=True)
        def on_selection(rows: list[dict[str, Any]] | None) -> list[Any]:
            if not rows:
                return [no_update] * len(self.plot.properties)
            return self.plot.update_properties(CachedModel(rows[0]["name"]), inference_run=rows[0]["Run"])

        # Written in assets/leaderboard/headline.js: no request is needed for it.
        app.clientside_callback(
            ClientsideFunction("leaderboard", "headline"),
            Output("leaderboard-headline", "children"),
            Input("leaderboard-table", "rowData"),
            Input("leaderboard-table", "selectedRows"),
        )
