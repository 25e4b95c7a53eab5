"""An endpoint in words."""

from __future__ import annotations

from typing import Any

from ....utils.datetime_utils import to_the_minute
from ....utils.markdown_utils import dict_to_markdown, health_tag_markdown, tags_to_markdown
from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["EndpointDetails"]

SHOWN = (
    ("Owner", "workbench_owner"),
    ("Input", "input"),
    ("Status", "status"),
    ("Instance", "instance"),
    ("Variant", "variant"),
    ("Created", "created"),
    ("Modified", "modified"),
)


class EndpointDetails(PluginInterface):
    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.ENDPOINT

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc, html

        self.component_id = component_id
        self.container = html.Div(
            [
                html.H4("Endpoint: Loading...", id=f"{component_id}-header"),
                dcc.Markdown(id=f"{component_id}-details", dangerously_allow_html=True),
            ],
            id=component_id,
        )
        self.properties = [(f"{component_id}-header", "children"), (f"{component_id}-details", "children")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        details = data_object.details()
        facts = {title: to_the_minute(details[key]) for title, key in SHOWN if details.get(key) not in (None, "")}
        text = health_tag_markdown(details["health_tags"]) + "\n" + dict_to_markdown(facts)
        if details.get("workbench_tags"):
            text += f"\n**Tags:** {tags_to_markdown(details['workbench_tags'])}\n"
        return [f"{data_object.name}", text]
