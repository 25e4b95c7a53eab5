"""What the page of endpoints shows: the endpoint in words, and what was measured of it."""

from __future__ import annotations

from typing import Any

from workbench.web_interface.components import endpoint_metric_plots
from workbench.web_interface.components.plugin_interface import PluginInputType, PluginInterface, PluginPage
from workbench.web_interface.components.plugins import endpoint_details


class EndpointDetails(endpoint_details.EndpointDetails):
    auto_load_page = PluginPage.ENDPOINT


class EndpointMetrics(PluginInterface):
    """One line per measure."""

    auto_load_page = PluginPage.ENDPOINT
    plugin_input_type = PluginInputType.ENDPOINT

    def __init__(self) -> None:
        super().__init__()
        self.plots = endpoint_metric_plots.EndpointMetricPlots()
        self.endpoint: Any = None

    def create_component(self, component_id: str) -> Any:
        self.component_id = component_id
        self.container = self.plots.create_component(component_id)
        self.properties = [(component_id, "figure")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        self.endpoint = data_object
        return [self.plots.update_properties(data_object)]

    def set_theme(self, theme: str) -> list[Any]:
        from dash import no_update

        return [no_update] if self.endpoint is None else [self.plots.update_properties(self.endpoint)]
