"""The plugins that are installed in this environment."""

from __future__ import annotations

import importlib
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from pegboard import _discover

from .config import get_app_dir
from .errors import ResourceNotFoundError
from .logger import get_logger
from .model import Fields, Model

__all__ = ["Plugin", "PluginMetadata", "get_plugin", "get_user_modules_dir", "has_plugins", "list_plugins", "load_plugins"]

logger = get_logger(__name__)


class PluginMetadata(Model):
    known: ClassVar[Fields] = {
        "description": ("", None),
        "author": ("", None),
        "license": ("", None),
        "url": ("", None),
        "version": ("", None),
        "requirements": ([], None),
    }
    description: str
    author: str
    license: str
    url: str
    version: str
    requirements: list[str]


class Plugin(Model):
    """One distribution with an entry point; `module` is what the entry point names."""

    known: ClassVar[Fields] = {"name": ("", None), "metadata": ({}, PluginMetadata.model_validate), "module": ("", None)}
    name: str
    metadata: PluginMetadata
    module: str

    async def list_datafiles(self) -> list[Path]:
        """Files of the distribution that are not code, as paths in the file system."""
        described = _described(metadata.distribution(self.name))
        root = Path(str(described["data_root"]))
        return [root / name for name in described["data_files"]]


def list_plugins() -> list[Plugin]:
    """In the order of discovery. None of them is imported."""
    found: dict[str, Plugin] = {}
    for distribution in metadata.distributions():
        if not any(point.group == _discover.GROUP for point in distribution.entry_points):
            continue
        described = _described(distribution)
        name = str(described["name"])
        fields = {key: value for key, value in described["metadata"].items() if key in PluginMetadata.known}
        found.setdefault(name, Plugin(name=name, metadata=fields, module=described["entry_points"][0]))
    return list(found.values())


def get_plugin(name: str) -> Plugin:
    """By the name of its distribution, letter for letter; `ResourceNotFoundError` when there is none."""
    for plugin in list_plugins():
        if plugin.name == name:
            return plugin
    raise ResourceNotFoundError(f"no plugin `{name}` is installed")


def has_plugins() -> bool:
    return bool(list_plugins())


def load_plugins() -> list[ModuleType]:
    """Imports them. One that fails is logged and left out."""
    loaded = []
    for plugin in list_plugins():
        try:
            loaded.append(importlib.import_module(plugin.module))
        except Exception as error:
            logger.error(f"plugin `{plugin.name}` cannot be imported: {type(error).__name__}: {error}")
    return loaded


def get_user_modules_dir() -> Path:
    """Where loose modules lie. `RuntimeError` when no application directory is set."""
    folder = get_app_dir()
    if folder is None:
        raise RuntimeError("no application directory is set")
    return folder / "user_modules"


def _described(distribution: metadata.Distribution) -> dict[str, Any]:
    points = [point for point in distribution.entry_points if point.group == _discover.GROUP]
    return _discover.describe(distribution, points)
