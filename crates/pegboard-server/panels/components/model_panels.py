"""What every model page shows: the model in words, its predictions, what its features contribute."""

from __future__ import annotations

from workbench.web_interface.components.plugin_interface import PluginPage
from workbench.web_interface.components.plugins import model_details, model_plot, shap_summary_plot


class ModelDetails(model_details.ModelDetails):
    """On the page by itself; the other panels of the page follow its choice of a run."""

    auto_load_page = PluginPage.MODEL


class ModelPlot(model_plot.ModelPlot):
    """Points for numbers, confusion for classes."""

    auto_load_page = PluginPage.MODEL


class ShapSummaryPlot(shap_summary_plot.ShapSummaryPlot):
    """Which features count."""

    auto_load_page = PluginPage.MODEL
