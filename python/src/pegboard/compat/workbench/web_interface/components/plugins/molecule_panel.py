"""Compounds side by side."""

from __future__ import annotations

from typing import Any

from ....api.compound import Compound
from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["MoleculePanel"]


class MoleculePanel(PluginInterface):
    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.COMPOUND

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import html

        self.component_id = component_id
        self.container = html.Div(id=component_id, style={"display": "flex", "flexWrap": "wrap", "gap": "10px"})
        self.properties = [(component_id, "children")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        """Takes a compound, or a list of compounds or of dicts with `id` and `smiles`."""
        from dash import html

        given = data_object if isinstance(data_object, (list, tuple)) else [data_object]
        compounds = [each if hasattr(each, "image") else Compound(str(each.get("id", "")), each.get("smiles")) for each in given]
        return [[html.Figure([html.Img(src=each.image()), html.Figcaption(each.id)]) for each in compounds]]
