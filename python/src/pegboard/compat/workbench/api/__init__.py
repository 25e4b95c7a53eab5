"""What plugins import by one name. Each is loaded when it is asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..cached.cached_meta import CachedMeta
    from .compound import Compound
    from .data_source import DataSource
    from .df_store import DFStore
    from .endpoint import Endpoint
    from .feature_set import FeatureSet
    from .graph_store import GraphStore
    from .meta import Meta
    from .model import Model, ModelFramework, ModelType
    from .parameter_store import ParameterStore
    from .reports import Reports

__all__ = [
    "CachedMeta",
    "Compound",
    "DFStore",
    "DataSource",
    "Endpoint",
    "FeatureSet",
    "GraphStore",
    "Meta",
    "Model",
    "ModelFramework",
    "ModelType",
    "ParameterStore",
    "Reports",
]

_PLACES = {
    "CachedMeta": "workbench.cached.cached_meta",
    "Compound": "workbench.api.compound",
    "DFStore": "workbench.api.df_store",
    "DataSource": "workbench.api.data_source",
    "Endpoint": "workbench.api.endpoint",
    "FeatureSet": "workbench.api.feature_set",
    "GraphStore": "workbench.api.graph_store",
    "Meta": "workbench.api.meta",
    "Model": "workbench.api.model",
    "ModelFramework": "workbench.api.model",
    "ModelType": "workbench.api.model",
    "ParameterStore": "workbench.api.parameter_store",
    "Reports": "workbench.api.reports",
}


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module `workbench.api` has no attribute `{name}`")
    return getattr(importlib.import_module(place), name)
