"""Graphs by a path."""

from __future__ import annotations

import json
import logging
from typing import Any

from ..core.artifacts.artifact import source
from .df_store import DFStore

__all__ = ["GraphStore"]

log = logging.getLogger("workbench")


class GraphStore(DFStore):
    """Graphs are networkx's."""

    KIND = "graph"

    def _read(self, name: str) -> Any:
        import networkx as nx

        said = json.loads(source().content(self.KIND, name, "graph"))
        return nx.node_link_graph(said, edges="edges" if "edges" in said else "links")

    def upsert(self, location: str, data: Any) -> None:
        import networkx as nx

        source().publish_graph(self._name(location), nx.node_link_data(data, edges="edges"))
