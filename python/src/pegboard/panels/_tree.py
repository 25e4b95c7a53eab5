"""Walks a tree of Dash components."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from dash.development.base_component import Component

__all__ = ["alert", "components", "id_text", "ids_of"]


def components(node: Any) -> Iterator[Component]:
    """All components of a tree, also those in other properties than `children`."""
    if isinstance(node, Component):
        yield node
        for name in getattr(node, "_prop_names", ()):
            value = getattr(node, name, None)
            if isinstance(value, (Component, list, tuple, dict)):
                yield from components(value)
    elif isinstance(node, (list, tuple)):
        # Rows of data are no components.
        for each in node:
            if not isinstance(each, (Component, list, tuple, dict)):
                continue
            yield from components(each)
    elif isinstance(node, dict):
        for each in node.values():
            if isinstance(each, (Component, list, tuple)):
                yield from components(each)


def ids_of(node: Any) -> list[Any]:
    """Ids in the order of the tree; the same one twice when two have it."""
    return [each.id for each in components(node) if getattr(each, "id", None) is not None]


def id_text(identity: Any) -> str:
    """An id as a key: objects as JSON with sorted keys, as the browser writes them."""
    return identity if isinstance(identity, str) else json.dumps(identity, sort_keys=True, separators=(",", ":"), default=str)


def alert(title: str, told: dict[str, Any], identity: str | None = None) -> Component:
    """What is shown in the place of something that failed."""
    from dash import html

    place = f", line {told['line']}" if told.get("line") else ""
    parts = [html.Strong(f"{title}{place}"), html.Div(told["message"], className="text-break")]
    if told.get("hint"):
        parts.append(html.Div(told["hint"], className="small fst-italic"))
    if told.get("traceback"):
        trace = html.Pre(told["traceback"], className="small mb-0", style={"maxHeight": "20rem", "overflow": "auto"})
        parts.append(html.Details([html.Summary("Traceback"), trace]))
    named = {} if identity is None else {"id": identity}
    return html.Div(parts, className="alert alert-danger", role="alert", **named)
