"""Which `workbench` this environment has, and what a worker needs of it: Pegboard's own, or the original, where the server was told so.

The original asks AWS when its classes are created. Nothing of it is imported before a plugin file is loaded, and never in the parked
interpreter.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Final

__all__ = [
    "COOKIE",
    "configure",
    "contained_error",
    "crash_values",
    "is_original",
    "is_ours",
    "method_of",
    "page_view",
    "plugin_interface",
    "validated",
    "workbench_version",
]

# Says which theme a viewer has chosen.
COOKIE: Final = "wb_theme"
OURS: Final = "+pegboard"
TEXTS: Final = frozenset({"children", "value", "data"})


@functools.cache
def workbench_version() -> str | None:
    """Of the distribution; None when the environment has none."""
    try:
        return version("workbench")
    except PackageNotFoundError:
        return None


def is_original() -> bool:
    """Whether it is not ours."""
    found = workbench_version()
    return found is not None and not found.endswith(OURS)


def is_ours() -> bool:
    """Whether it is Pegboard's own; an environment may have none at all."""
    return not is_original() and find_spec("workbench") is not None


def plugin_interface() -> Any:
    """Base class of panels."""
    from workbench.web_interface.components.plugin_interface import PluginInterface

    return PluginInterface


def page_view() -> Any:
    """Base class of views."""
    from workbench.web_interface.page_views.page_view import PageView

    return PageView


def validated(kind: type) -> tuple[bool, str]:
    """Whether the package takes the class for a plugin, and why not."""
    interface = plugin_interface()
    # A class method of the class itself since the releases of 2025.
    takes_class = len(inspect.signature(interface.validate_subclass).parameters) > 0
    found: tuple[bool, str] = interface.validate_subclass(kind) if takes_class else kind.validate_subclass()  # type: ignore[attr-defined]
    return found


def configure(roots: Sequence[str], root: str) -> None:
    """Says where plugins are: `root` is the folder of the file. The original knows one."""
    from workbench.utils.config_manager import ConfigManager

    ConfigManager().set_config("WORKBENCH_PLUGINS", root if is_original() else list(roots))


def method_of(plugin: Any, name: str) -> Callable[..., Any]:
    """A method as its author wrote it. The original keeps what it raises to itself, so it is asked without that."""
    method = getattr(plugin, name)
    if not is_original():
        return method  # type: ignore[no-any-return]
    return functools.partial(inspect.unwrap(getattr(type(plugin), name)), plugin)


def contained_error(plugin: Any) -> Exception | None:
    """What ours kept a method from raising since this was asked last."""
    if is_original():
        return None
    from workbench.web_interface.components.component_interface import contained_error as contained

    return contained(plugin)  # type: ignore[no-any-return]


def crash_values(kind: type, error: Exception, properties: Sequence[tuple[Any, str]]) -> list[Any]:
    """What is shown instead, one value per property."""
    if is_original():
        text = f"{kind.__name__} Crashed: {type(error).__name__}: {error}"
        return [_in_place_of(name, text) for _, name in properties]
    from workbench.web_interface.components.component_interface import crash_values as values

    return values(kind, error, list(properties))  # type: ignore[no-any-return]


def _in_place_of(name: str, text: str) -> Any:
    """Without the original's themes: what failed may be AWS, which they ask."""
    if name == "figure":
        import plotly.graph_objects as go

        hidden = {"visible": False}
        said = {"text": text, "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
        return go.Figure(layout={"xaxis": hidden, "yaxis": hidden, "annotations": [said]})
    if name in TEXTS:
        return text
    if name == "columnDefs":
        return [{"headerName": "Crash", "field": "Crash"}]
    return [{"Crash": text}] if name == "rowData" else None
