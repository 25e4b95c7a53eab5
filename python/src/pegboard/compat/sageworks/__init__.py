"""The former name of `workbench`: each module below is the one of today, also under the names that it had."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

__all__ = ["__version__"]

# With it, loggers have their levels.
__version__: str = importlib.import_module("workbench").__version__

COMPONENTS = "workbench.web_interface.components"
# Of modules that have moved, the longest prefix counts.
MOVED = {
    "sageworks": "workbench",
    "sageworks.web_components": COMPONENTS,
    "sageworks.web_components.model_details": f"{COMPONENTS}.plugins.model_details",
    "sageworks.web_components.model_plot": f"{COMPONENTS}.former.model_plot",
    "sageworks.web_components.plugins.ag_table": f"{COMPONENTS}.former.ag_table",
    "sageworks.web_interface.components.model_plot": f"{COMPONENTS}.former.model_plot",
    "sageworks.web_interface.components.plugins.ag_table": f"{COMPONENTS}.former.ag_table",
    "sageworks.web_components.table": f"{COMPONENTS}.table",
    "sageworks.views": "workbench.web_interface.page_views",
    "sageworks.views.view": "workbench.web_interface.page_views.page_view",
    "sageworks.web_views": "workbench.web_interface.page_views",
    "sageworks.web_views.web_view": "workbench.web_interface.page_views.page_view",
}


def today(name: str) -> str:
    """What a former module is called now."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        found = MOVED.get(".".join(parts[:end]))
        if found is not None:
            return ".".join([found, *parts[end:]])
    return name


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith("sageworks."):
            return None
        try:
            found = importlib.util.find_spec(today(fullname))
        except ModuleNotFoundError:
            return None
        if found is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=found.submodule_search_locations is not None)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module = importlib.import_module(today(spec.name))
        # The import system writes the new spec into the module; its own is put back in `exec_module`.
        _SPECS[spec.name] = (module.__spec__, getattr(module, "__loader__", None))
        return module

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None and spec.name in _SPECS:
            module.__spec__, module.__loader__ = _SPECS.pop(spec.name)


_SPECS: dict[str, tuple[importlib.machinery.ModuleSpec | None, Any]] = {}

sys.meta_path.insert(0, _Finder())
