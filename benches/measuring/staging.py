"""What a measurement needs of Pegboard before it begins: a server, plugins in it, a workflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .probe import Probe
from .server import Server
from .workshop import Workshop

__all__ = ["apply", "bare_engine", "installed", "serving"]


@contextmanager
def serving(shop: Workshop, data: Path, *arguments: str) -> Iterator[Server]:
    """A server on this data directory; `arguments` go to `pegboard serve`."""
    with Server(shop.pegboard, data, shop.log, *arguments) as server:
        yield server


@contextmanager
def bare_engine(shop: Workshop) -> Iterator[Probe]:
    """The engine alone."""
    command = [str(shop.measure), str(shop.data / "engine"), str(shop.plugin("producer"))]
    with Probe(command, shop.log) as probe:
        yield probe


def installed(shop: Workshop, *plugins: str) -> Path:
    """A data directory with these plugins, made once per set."""
    data = shop.data / "-".join(plugins)
    if not data.exists():
        with serving(shop, data) as server:
            for plugin in plugins:
                server.command("install", str(shop.plugin(plugin)))
    return data


def apply(server: Server, shop: Workshop, name: str, stages: list[dict[str, Any]]) -> None:
    """Stores a workflow."""
    document = {"kind": "workflow", "metadata": {"name": name}, "spec": {"stages": stages}}
    path = shop.data / f"{name}.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
    server.command("apply", str(path))
