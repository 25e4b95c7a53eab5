"""A compound: its picture and what is known about it."""

from __future__ import annotations

from typing import Any

from ....utils.markdown_utils import dict_to_markdown
from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["MoleculeViewer"]


class MoleculeViewer(PluginInterface):
    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.COMPOUND

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc, html

        self.component_id = component_id
        self.container = html.Div(
            [
                html.H4("Compound: Loading...", id=f"{component_id}-header"),
                html.Img(id=f"{component_id}-img"),
                dcc.Markdown(id=f"{component_id}-summary"),
            ],
            id=component_id,
        )
        self.properties = [
            (f"{component_id}-header", "children"),
            (f"{component_id}-img", "src"),
            (f"{component_id}-summary", "children"),
        ]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        details = {key: value for key, value in data_object.details().items() if key != "id" and value}
        return [f"Compound: {data_object.id}", data_object.image(), dict_to_markdown(details)]
