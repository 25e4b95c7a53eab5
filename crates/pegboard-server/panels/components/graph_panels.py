"""What the page of graphs shows."""

from __future__ import annotations

from workbench.web_interface.components.plugin_interface import PluginPage
from workbench.web_interface.components.plugins import graph_plot


class GraphPlot(graph_plot.GraphPlot):
    auto_load_page = PluginPage.GRAPH
