"""The object that a panel is given for a name in the catalog."""

from __future__ import annotations

import importlib
from typing import Any, Final

from pegboard.panels._failures import PluginError
from pegboard.panels._package import is_original

__all__ = ["artifact_of"]

CLASSES: Final = {
    "data_source": ("workbench.cached.cached_data_source", "CachedDataSource"),
    "feature_set": ("workbench.cached.cached_feature_set", "CachedFeatureSet"),
    "model": ("workbench.cached.cached_model", "CachedModel"),
    "endpoint": ("workbench.cached.cached_endpoint", "CachedEndpoint"),
}


def artifact_of(said: dict[str, Any]) -> Any:
    """The artifact. `PluginError` when the catalog has none of that name."""
    kind, name = str(said.get("type")), str(said.get("name"))
    if kind == "graph":
        from workbench.api.graph_store import GraphStore

        graph = GraphStore().get(name)
        if graph is None:
            raise _missing(kind, name)
        return graph
    if kind not in CLASSES:
        raise PluginError(f"a panel cannot be given a `{kind}`: it is one of {', '.join([*CLASSES, 'graph'])}")
    module, label = CLASSES[kind]
    made = getattr(importlib.import_module(module), label)(name)
    if not made.exists():
        raise _missing(kind, name)
    return made


def _missing(kind: str, name: str) -> PluginError:
    what = f"there is no {kind.replace('_', ' ')} `{name}`"
    if is_original():
        return PluginError(
            f"{what} where the original `workbench` looks",
            "pages list Pegboard's catalog, the original asks AWS: it needs one of the same name there",
        )
    return PluginError(f"{what} in the catalog", "choose another one, or publish it again")
