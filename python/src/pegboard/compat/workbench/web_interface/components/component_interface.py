"""What every component has: an id, properties that callbacks may set, signals that they may hear."""

from __future__ import annotations

import functools
import logging
import re
import textwrap
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Union

from ...utils.theme_manager import ThemeManager

if TYPE_CHECKING:
    from ...core.artifacts.athena_source import AthenaSource
    from ...core.artifacts.endpoint_core import EndpointCore
    from ...core.artifacts.feature_set_core import FeatureSetCore
    from ...core.artifacts.model_core import ModelCore

__all__ = ["ComponentInterface", "contained_error", "crash_values"]

log = logging.getLogger("workbench")
CONTAINED = "_pegboard_contained"
CRASH_TEXT = frozenset({"children", "value", "data"})


class ComponentInterface(ABC):
    """Errors in `create_component` and `update_properties` are shown in place of what they should have made."""

    log = log
    theme_manager = ThemeManager()
    WorkbenchObject: ClassVar[Any] = Union["AthenaSource", "FeatureSetCore", "ModelCore", "EndpointCore"]
    SageworksObject: ClassVar[Any] = WorkbenchObject

    def __init__(self, theme: str = "DARK") -> None:
        self.component_id: Any = None
        self.container: Any = None
        self.properties: list[tuple[str, str]] = []
        self.signals: list[tuple[str, str]] = []

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, contain in (("create_component", _contained_creation), ("update_properties", _contained_update)):
            method = cls.__dict__.get(name)
            if callable(method) and not getattr(method, "__isabstractmethod__", False):
                setattr(cls, name, contain(method))

    @abstractmethod
    def create_component(self, component_id: str, **kwargs: Any) -> Any:
        """The component, with this id; fills `properties`."""

    @abstractmethod
    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        """One value per entry of `properties`."""

    def set_theme(self, theme: str) -> list[Any]:
        """The same, when the viewer has another theme."""
        from dash import no_update

        return [no_update] * len(self.properties)

    def generate_component_id(self) -> str:
        return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", type(self).__name__).lower()

    @classmethod
    def display_text(cls, text_message: str, figure_height: int | None = None, font_size: int = 24) -> Any:
        """A figure with nothing but a text."""
        figure = cls.theme_manager.figure()
        figure.add_annotation(
            x=0.5,
            y=0.5,
            xref="paper",
            yref="paper",
            text=text_message.replace("\n", "<br>"),
            showarrow=False,
            font={"size": font_size, "color": "#9999cc"},
        )
        hidden = {"showticklabels": False, "zeroline": False, "showgrid": False}
        layout = {
            "xaxis": hidden,
            "yaxis": hidden,
            "margin": {"l": 0, "r": 0, "b": 0, "t": 0},
            "plot_bgcolor": "rgba(0, 0, 0, 0)",
            "paper_bgcolor": "rgba(0, 0, 0, 0)",
        }
        if figure_height is not None:
            layout["height"] = figure_height
        return figure.update_layout(**layout)

    @classmethod
    def message_figure(cls, text_message: str, figure_height: int | None = None) -> Any:
        """As it was called before March 2024."""
        return cls.display_text(text_message, figure_height)


def _contained_creation(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def create(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return method(self, *arguments, **named)
        except Exception as error:
            from dash import dcc

            _note(self, error)
            log.critical(f"{type(self).__name__} crashed in create_component: {error}", exc_info=error)
            return dcc.Graph(id="error", figure=_stack_trace(type(self), error))

    return create


def _contained_update(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def update(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return method(self, *arguments, **named)
        except Exception as error:
            _note(self, error)
            log.critical(f"{type(self).__name__} crashed in update_properties: {error}", exc_info=error)
            return crash_values(type(self), error, getattr(self, "properties", None) or [])

    return update


def crash_values(kind: type, error: Exception, properties: list[tuple[str, str]]) -> list[Any]:
    """What is shown instead, one value per property."""
    return [_substitute(kind, error, name) for _, name in properties]


def contained_error(component: Any) -> Exception | None:
    """The error that a method of the component was kept from raising since this was asked last."""
    found: Exception | None = vars(component).pop(CONTAINED, None)
    return found


def _note(component: Any, error: Exception) -> None:
    with suppress(AttributeError, TypeError):
        vars(component)[CONTAINED] = error


def _substitute(kind: type, error: Exception, name: str) -> Any:
    text = f"{kind.__name__} Crashed: \n{_trace(error)}"
    if name == "figure":
        return _stack_trace(kind, error)
    if name in CRASH_TEXT:
        return text
    if name == "columnDefs":
        return [{"headerName": "Crash", "field": "Crash"}]
    return [{"Crash": text}] if name == "rowData" else None


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(error)[-5:])


def _stack_trace(kind: type, error: Exception) -> Any:
    lines = f"{kind.__name__} Crashed: \n{_trace(error)}".splitlines()
    text = "\n".join(part for line in lines for part in (textwrap.wrap(line, 80, drop_whitespace=False) or [""]))
    return ComponentInterface.display_text(text, figure_height=400, font_size=12)
