"""What the dashboard runs on."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from ....core.artifacts.artifact import source
from ....utils.config_manager import ConfigManager
from ....utils.markdown_utils import dict_to_markdown
from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["DashboardStatus"]

PACKAGES = (
    "workbench",
    "pegboard",
    "dash",
    "dash-ag-grid",
    "dash-bootstrap-components",
    "plotly",
    "pandas",
    "numpy",
    "networkx",
    "pyarrow",
)


class DashboardStatus(PluginInterface):
    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.CUSTOM

    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        from dash import dcc

        self.component_id = component_id
        self.container = dcc.Markdown(id=component_id)
        self.properties = [(component_id, "children")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        config = ConfigManager()
        settings = {
            "Server": source().url,
            "Plugin Path": config.get_config("WORKBENCH_PLUGINS"),
            "Themes Path": config.get_config("WORKBENCH_THEMES", "-"),
            "UI Update Rate": config.ui_update_rate(),
        }
        versions = {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}
        return [dict_to_markdown(settings, "Dashboard") + "\n" + dict_to_markdown(versions, "Packages")]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "-"
