"""What a component plugin is: a component that says on which page it belongs and what it is given.

Files of former releases are understood, too: `plugin_page` and `plugin_type`, `update_contents`, `generate_figure` and
`generate_component_figure`, `slots` and `content_slots`.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import Any, cast

from .component_interface import ComponentInterface

__all__ = ["PluginInputType", "PluginInterface", "PluginPage", "PluginType"]


class PluginPage(Enum):
    """Where a plugin is placed by itself; `CUSTOM` and `NONE`: nowhere."""

    DATA_SOURCE = "data_source"
    FEATURE_SET = "feature_set"
    MODEL = "model"
    ENDPOINT = "endpoint"
    GRAPH = "graph"
    COMPOUND = "compound"
    CUSTOM = "custom"
    NONE = "none"
    # Until February 2026.
    PIPELINE = "none"  # noqa: PIE796


class PluginInputType(Enum):
    """What `update_properties` is given."""

    DATA_SOURCE = "data_source"
    FEATURE_SET = "feature_set"
    MODEL = "model"
    ENDPOINT = "endpoint"
    GRAPH = "graph"
    DATAFRAME = "dataframe"
    COMPOUND = "compound"
    CUSTOM = "custom"
    # Until April 2024, and until February 2026.
    DATA_SOURCE_DETAILS = "data_source"  # noqa: PIE796
    FEATURE_SET_DETAILS = "feature_set"  # noqa: PIE796
    MODEL_DETAILS = "model"  # noqa: PIE796
    ENDPOINT_DETAILS = "endpoint"  # noqa: PIE796
    MODEL_TABLE = "dataframe"  # noqa: PIE796
    PIPELINE = "custom"  # noqa: PIE796


# As it was called until March 2024.
PluginType = PluginPage

REQUIRED_ATTRIBUTES = (("auto_load_page", PluginPage), ("plugin_input_type", PluginInputType))
REQUIRED_METHODS = ("create_component", "update_properties")
FORMER_PAGES = ("plugin_page", "plugin_type")
FORMER_UPDATES = ("update_contents", "generate_figure", "generate_component_figure")
FORMER_PROPERTIES = ("content_slots", "slots")


class PluginInterface(ComponentInterface):
    """Made without arguments, created once, updated at each selection."""

    auto_load_page: PluginPage
    plugin_input_type: PluginInputType

    @abstractmethod
    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        """The component, with this id; fills `properties`."""

    @abstractmethod
    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        """One value per entry of `properties`."""

    def register_internal_callbacks(self) -> None:
        """Callbacks of the plugin's own; called once, after `create_component`."""
        return

    def __init_subclass__(cls, **options: Any) -> None:
        _modernise(cls)
        super().__init_subclass__(**options)
        for name, kind in REQUIRED_ATTRIBUTES:
            if not isinstance(getattr(cls, name, None), kind):
                raise TypeError(f"Subclasses must define a '{name}' of type {kind.__name__}")

    @classmethod
    def __subclasshook__(cls, subclass: type) -> Any:
        if cls is not PluginInterface:
            return NotImplemented
        return _validate(subclass)[0]

    @classmethod
    def validate_subclass(cls, subclass: type | None = None) -> tuple[bool, str]:
        """Whether a class is a plugin, and why not."""
        return _validate(cls if subclass is None else subclass)


def _validate(subclass: type) -> tuple[bool, str]:
    for name, _ in REQUIRED_ATTRIBUTES:
        if not hasattr(subclass, name):
            return False, f"Missing required attribute '{name}' in {subclass.__name__}"
    for name in REQUIRED_METHODS:
        method = getattr(subclass, name, None)
        if not callable(method) or getattr(method, "__isabstractmethod__", False):
            return False, f"Method '{name}' is not implemented by {subclass.__name__}"
    return True, "Subclass validation successful"


def _modernise(cls: type) -> None:
    """Names of former releases, put beside those of today."""
    own = cls.__dict__
    if not hasattr(cls, "auto_load_page"):
        page = next((own[name] for name in FORMER_PAGES if name in own), None)
        if page is not None:
            setattr(cls, "auto_load_page", page)  # noqa: B010
    former = next((name for name in FORMER_UPDATES if name in own), None)
    if former is not None and "update_properties" not in own:
        setattr(cls, "update_properties", _updates_by(former))  # noqa: B010
        if "create_component" in own:
            setattr(cls, "create_component", _with_properties(own["create_component"]))  # noqa: B010


def _updates_by(former: str) -> Callable[..., list[Any]]:
    def update_properties(self: Any, data_object: Any, **kwargs: Any) -> list[Any]:
        update = getattr(self, former)
        if former == "update_contents":
            found = update(data_object, **kwargs) if _takes_more(update) else update(data_object)
        elif former == "generate_component_figure" and hasattr(data_object, "details"):
            found = update(data_object.details())
        else:
            found = update(data_object)
        return found if isinstance(found, list) else [found]

    return update_properties


def _takes_more(function: Callable[..., Any]) -> bool:
    import inspect

    return any(each.kind is each.VAR_KEYWORD for each in inspect.signature(function).parameters.values())


def _with_properties(create: Callable[..., Any]) -> Callable[..., Any]:
    """What may be set of a component that does not say it."""

    @functools.wraps(create)
    def create_component(self: Any, component_id: str, *arguments: Any, **named: Any) -> Any:
        component = create(self, component_id, *arguments, **named)
        if not self.properties:
            said = next((getattr(self, name) for name in FORMER_PROPERTIES if getattr(self, name, None)), None)
            if said is not None:
                self.properties = list(said.items()) if isinstance(said, dict) else list(said)
            else:
                name = "figure" if type(component).__name__ == "Graph" else "children"
                self.properties = [(cast(str, getattr(component, "id", component_id)), name)]
        return component

    return create_component
