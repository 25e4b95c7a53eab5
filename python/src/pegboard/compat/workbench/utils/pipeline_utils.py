"""What led to what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["endpoint_group_paths", "from_lineage"]

PREFIX = {"data_source": "ds", "feature_set": "fs", "model": "model", "endpoint": "endpoint"}


def endpoint_group_paths(pipelines: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Names of the groups around each endpoint, from the outside in."""
    found: dict[str, list[str]] = {}

    def walk(groups: Iterable[dict[str, Any]], path: list[str]) -> None:
        for group in groups:
            here = [*path, group["name"]]
            for pipeline in group.get("pipelines", {}).values():
                for node in pipeline.get("nodes", []):
                    if str(node["id"]).startswith("endpoint:"):
                        found.setdefault(str(node["id"]).partition(":")[2], here)
            walk(group.get("subgroups", []), here)

    walk(pipelines, [])
    return found


def from_lineage(artifacts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One group per workflow, `unknown` for what no workflow made, with one pipeline: its artifacts and what they were made from."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for artifact in artifacts:
        group = groups.setdefault(artifact["origin"].get("workflow") or "unknown", {})
        group[f"{artifact['kind']}:{artifact['name']}"] = artifact
    result = []
    for name, members in sorted(groups.items()):
        references = dict.fromkeys([*members, *(each for artifact in members.values() for each in artifact["inputs"])])
        nodes = [{"id": _id(reference)} for reference in references]
        edges = [{"source": _id(each), "target": _id(key)} for key, artifact in members.items() for each in artifact["inputs"]]
        pipeline = {"directed": True, "multigraph": False, "graph": {}, "nodes": nodes, "edges": edges}
        result.append({"name": name, "subgroups": [], "pipelines": {name: pipeline}})
    return result


def _id(reference: str) -> str:
    kind, _, name = reference.partition(":")
    return f"{PREFIX.get(kind, kind)}:{name}"
