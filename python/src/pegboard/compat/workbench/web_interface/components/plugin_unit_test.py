"""Shows one plugin on a page of its own, with something to show."""

from __future__ import annotations

import socket
from typing import Any

from ...utils.theme_manager import ThemeManager
from .plugin_interface import PluginInputType, PluginInterface

__all__ = ["PluginUnitTest"]

FIRST_PORT = 8050


class PluginUnitTest:
    """`app` is the Dash app, `component` what the plugin made, `results` what its first update gave."""

    def __init__(
        self,
        plugin_class: type,
        theme: str = "midnight_blue",
        input_data: Any = None,
        auto_update: bool = True,
        height: str = "700px",
        plugin_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        import dash_bootstrap_components as dbc
        from dash import Input, Output, dcc, html

        from ..themed_dash import ThemedDash

        assert issubclass(plugin_class, PluginInterface), "Plugin class has not passed all the PluginInterface validations"
        ThemeManager.set_theme(theme)
        self.app = ThemedDash("workbench_plugin_unit_test", title="Plugin Unit Test", external_stylesheets=ThemeManager.css_files())
        ThemeManager.register_css_route(self.app)
        self.plugin = plugin_class(**(plugin_kwargs or {}))
        self.kwargs = kwargs
        self.input_data = input_data
        component_id = f"{plugin_class.__name__.lower()}_test"
        self.component = self.plugin.create_component(component_id)
        if not self.plugin.properties:
            raise ValueError("Plugin must have a non-empty 'properties' attribute")
        heard = [html.Div(id=f"test-output-{identity}-{name}") for identity, name in self.plugin.signals]
        self.app.layout = html.Div(
            [
                dcc.Store(id="workbench-theme-store", data=theme),
                dbc.Container(
                    [dbc.Row(self.component, style={"height": height}), html.Button("Update Plugin", id="update-button"), *heard],
                    fluid=True,
                    className="dbc dbc-ag-grid",
                ),
            ]
        )
        outputs = [Output(identity, name) for identity, name in self.plugin.properties]
        self.results: list[Any] | None = self.update() if auto_update else None

        @self.app.callback(outputs, Input("update-button", "n_clicks"), prevent_initial_call=not auto_update)  # type: ignore[untyped-decorator]
        def update(_clicks: int | None) -> list[Any]:
            return self.update()

        for identity, name in self.plugin.signals:
            self._listen(identity, name, Input, Output)
        self.plugin.register_internal_callbacks()

    def _listen(self, identity: str, name: str, heard: Any, shown: Any) -> None:
        @self.app.callback(  # type: ignore[untyped-decorator]
            shown(f"test-output-{identity}-{name}", "children"), heard(identity, name), prevent_initial_call=True
        )
        def on_signal(value: Any) -> str:
            return f"{identity} {name}: {value}"

    def update(self) -> list[Any]:
        """What the plugin makes of its input."""
        values: list[Any] = self.plugin.update_properties(self._input(), **self.kwargs)
        return values

    def _input(self) -> Any:
        if self.input_data is None:
            self.input_data = self._default_input()
        return self.input_data

    def _default_input(self) -> Any:
        from ... import api

        kind = self.plugin.plugin_input_type
        if kind == PluginInputType.DATA_SOURCE:
            return api.DataSource("abalone_data")
        if kind == PluginInputType.FEATURE_SET:
            return api.FeatureSet("abalone_features")
        if kind == PluginInputType.MODEL:
            self.kwargs.setdefault("inference_run", "full_cross_fold")
            return api.Model("abalone-regression")
        if kind == PluginInputType.ENDPOINT:
            return api.Endpoint("abalone-regression")
        if kind == PluginInputType.GRAPH:
            return api.GraphStore().get("test/karate_club")
        if kind == PluginInputType.DATAFRAME:
            return api.Meta().models(details=True)
        if kind == PluginInputType.COMPOUND:
            return api.Compound("AQSOL-0001", smiles="CC(C)C1=CC=C(C=C1)NC(=O)N(C)C")
        raise ValueError(f"Invalid test type: {kind}")

    def run(self) -> None:
        """Serves the page at the first free port from 8050 on, until it is stopped."""
        self.app.run(debug=True, use_reloader=False, port=_free_port())


def _free_port() -> int:
    for port in range(FIRST_PORT, FIRST_PORT + 1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise OSError(f"no port is free from {FIRST_PORT} on")
