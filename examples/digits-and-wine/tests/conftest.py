"""The few names of `flowdapt` that the stages use, so that they run here without a server.

Values go through pickle on their way, as they do between processes.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class FakeServer:
    """Run context, object store and log of one run."""

    def __init__(self) -> None:
        self.input: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.objects: dict[str, bytes] = {}
        self.log: list[str] = []

    def context(self) -> SimpleNamespace:
        return SimpleNamespace(input=self.input, config=self.config, run=SimpleNamespace(uid="0001"))

    def put(self, key: str, value: object) -> None:
        self.objects[key] = pickle.dumps(value, protocol=5)

    def get(self, key: str) -> object:
        return pickle.loads(self.objects[key])

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def exists(self, key: str) -> bool:
        return key in self.objects

    def info(self, event: str, **fields: object) -> None:
        self.log.append(event)


_current = FakeServer()


def _module(name: str, **names: object) -> None:
    module = ModuleType(name)
    for key, value in names.items():
        setattr(module, key, value)
    sys.modules[name] = module


_object_store = SimpleNamespace(
    put=lambda key, value: _current.put(key, value),
    get=lambda key: _current.get(key),
    delete=lambda key: _current.delete(key),
    exists=lambda key: _current.exists(key),
)
for _name in ("flowdapt", "flowdapt.compute.resources", "flowdapt.compute.resources.workflow", "flowdapt.lib"):
    _module(_name)
_module("flowdapt.compute", object_store=_object_store)
_module("flowdapt.compute.resources.workflow.context", get_run_context=lambda: _current.context())
_module(
    "flowdapt.lib.logger",
    get_logger=lambda name: SimpleNamespace(info=lambda event, **fields: _current.info(event, **fields)),
)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A fresh one for each test."""
    global _current
    _current = FakeServer()
    yield _current
