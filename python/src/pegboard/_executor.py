"""From the server's choice of an executor to what calls stages."""

from __future__ import annotations

import importlib
from typing import Any

from pegboard._driver import ClusterDriver, StageExecutor
from pegboard._messages import ExecutorChoice
from pegboard._values import Values


def choose(choice: ExecutorChoice, modules: list[str], values: Values, shield: Any) -> StageExecutor:
    """Nothing is connected to yet. A class of the plugin's own is imported; whatever that raises comes through."""
    options = {**choice.options, "plugin_modules": modules}
    if choice.target == "ray":
        from pegboard._ray import RayCluster

        return ClusterDriver(RayCluster(options), values, shield)
    if choice.target == "dask":
        from pegboard._dask import DaskCluster

        return ClusterDriver(DaskCluster(options), values, shield)
    made: StageExecutor = importlib.import_module("flowdapt.compute.executor._custom").CustomExecutor(choice.target, choice.options, values)
    return made
