"""One panel: an instance of a component plugin, made once, updated again and again.

Invariant: what a plugin does wrong becomes values for its own place, never an exception.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from dash import no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from pegboard.panels._encode import NO_UPDATE, joined, text_of
from pegboard.panels._failures import PluginError, failure
from pegboard.panels._messages import Messages
from pegboard.panels._package import contained_error, crash_values, method_of
from pegboard.panels._tree import alert, components, id_text, ids_of

__all__ = ["Panel", "Values"]

# How often another id is tried.
TRIES = 20
# What the base class would have set.
INITIAL: tuple[tuple[str, Callable[[], Any]], ...] = (
    ("component_id", lambda: None),
    ("container", lambda: None),
    ("properties", list),
    ("signals", list),
)


class Values:
    """JSON text of each property's value, and what went wrong."""

    __slots__ = ("error", "texts")

    def __init__(self, texts: list[str], error: dict[str, Any] | None = None) -> None:
        self.texts = texts
        self.error = error

    def json(self) -> str:
        return joined(self.texts)


class Panel:
    """A class of a component file; `plugin` is None when it cannot be shown, and `error` says why."""

    def __init__(self, kind: type, file: str) -> None:
        self.kind = kind
        self.file = file
        self.plugin: Any = None
        self.component_id = kind.__name__
        self.layout: str = "null"
        self.ids: list[Any] = []
        self.properties: list[tuple[Any, str]] = []
        self.signals: list[tuple[Any, str]] = []
        self.error: dict[str, Any] | None = None

    # Making it.

    def create(self, known_ids: set[str], messages: Messages) -> None:
        """Makes the component and its internal callbacks. Raises what the plugin raised, or says why it cannot be shown."""
        plugin, component = self._component_with_free_ids(known_ids, messages)
        self.ids = ids_of(component)
        present = {id_text(identity) for identity in self.ids}
        self.properties = self._pairs(plugin, "properties")
        self.signals = self._pairs(plugin, "signals")
        for identity, name in self.properties:
            if id_text(identity) not in present:
                shown = ", ".join(sorted(present)) or "none"
                raise PluginError(
                    f"`properties` names `{id_text(identity)}.{name}`, but no component has that id (there are: {shown})",
                    "use the id that you gave to the component, such as f'{component_id}-graph'",
                )
        self._look_closer(component, present, messages)
        self.layout = text_of(component)
        plugin.register_internal_callbacks()
        self.plugin = plugin

    def fail(self, error: BaseException) -> None:
        """The alert takes its place."""
        self.error = failure(error, self.file)
        self.plugin = None
        self.properties, self.signals, self.ids = [], [], [self.component_id]
        self.layout = text_of(alert(self.kind.__name__, self.error, self.component_id))

    def _component_with_free_ids(self, known_ids: set[str], messages: Messages) -> tuple[Any, Component]:
        wanted = ""
        clash: list[str] = []
        for number in range(1, TRIES + 1):
            plugin = self._instance(messages)
            if not wanted:
                wanted = str(plugin.generate_component_id())
            self.component_id = wanted if number == 1 else f"{wanted}_{number}"
            if self.component_id in known_ids:
                continue
            component = method_of(plugin, "create_component")(self.component_id)
            error = contained_error(plugin)
            if error is not None:
                raise error
            if not isinstance(component, Component):
                raise PluginError(
                    f"create_component returned {_described(component)}, not a Dash component",
                    "return one component, such as dcc.Graph or html.Div with the others as its children",
                )
            ids = [id_text(identity) for identity in ids_of(component)]
            taken = sorted(set(ids) & known_ids)
            if not taken:
                return plugin, component
            if taken == clash:
                # They do not depend on the id that is handed over.
                raise PluginError(
                    f"the ids {', '.join(taken)} are another panel's already",
                    "begin the ids of inner components with the `component_id` that create_component is given",
                )
            clash = taken
        raise PluginError(f"no free id was found for `{wanted}`")

    def _instance(self, messages: Messages) -> Any:
        plugin = self.kind()
        missing = [name for name, _ in INITIAL if not hasattr(plugin, name)]
        for name, initial in INITIAL:
            if name in missing:
                setattr(plugin, name, initial())
        if missing:
            messages.warn(
                f"{self.kind.__name__}.__init__ does not call the base class: {', '.join(missing)} are missing",
                "call super().__init__() first",
                line=_line(self.kind),
            )
        return plugin

    def _pairs(self, plugin: Any, name: str) -> list[tuple[Any, str]]:
        said = getattr(plugin, name)
        pairs = []
        for each in said if isinstance(said, (list, tuple)) else [said]:
            if (
                not isinstance(each, (list, tuple))
                or len(each) != 2
                or not isinstance(each[0], (str, dict))
                or not isinstance(each[1], str)
            ):
                raise PluginError(
                    f"`{name}` has to be a list of pairs of an id and a property, and has {_described(each)}",
                    f"write self.{name} = [(component_id, 'figure')]",
                )
            pairs.append((each[0], each[1]))
        return pairs

    def _look_closer(self, component: Component, present: set[str], messages: Messages) -> None:
        title = self.kind.__name__
        if not self.properties:
            messages.warn(
                f"{title} has no `properties`: nothing of it is ever updated", "fill them in create_component", line=_line(self.kind)
            )
        texts = [id_text(identity) for identity in self.ids]
        for twice in sorted({text for text in texts if texts.count(text) > 1}):
            messages.warn(f"{title} has two components with the id `{twice}`", "give each its own", line=_line(self.kind))
        unheard = [identity for identity, _ in self.signals if id_text(identity) not in present]
        for identity in unheard:
            messages.warn(f"`signals` of {title} names `{id_text(identity)}`, which no component has as its id", line=_line(self.kind))
        by_id = {id_text(each.id): each for each in components(component) if getattr(each, "id", None) is not None}
        for identity, name in self.properties:
            owner = by_id[id_text(identity)]
            known = getattr(owner, "_prop_names", [])
            wildcards = tuple(getattr(owner, "_valid_wildcard_attributes", ()))
            if name not in known and not (wildcards and name.startswith(wildcards)):
                messages.warn(
                    f"`properties` of {title} names `{id_text(identity)}.{name}`, but {type(owner).__name__} has no such property",
                    line=_line(self.kind),
                )

    # Updating it.

    def update(self, thing: Any, options: dict[str, Any]) -> Values:
        """What `update_properties` makes of the thing."""
        plugin = self.plugin
        contained_error(plugin)
        given = _accepted(type(plugin).update_properties, options)
        return self._values("update_properties", lambda: method_of(plugin, "update_properties")(thing, **given))

    def set_theme(self, theme: str) -> Values:
        plugin = self.plugin
        if not hasattr(plugin, "set_theme"):
            # The original has it since the end of 2025.
            return Values([NO_UPDATE] * len(self.properties))
        return self._values("set_theme", lambda: plugin.set_theme(theme))

    def crash(self, error: Exception) -> Values:
        """What is shown instead, and the error."""
        values = crash_values(self.kind, error, self.properties)
        return Values([text_of(value) for value in values], failure(error, self.file))

    def _values(self, method: str, make: Callable[[], Any]) -> Values:
        try:
            values = make()
            contained = contained_error(self.plugin)
            if isinstance(contained, PreventUpdate):
                raise contained
            self._check_count(method, values)
        except PreventUpdate:
            return Values([NO_UPDATE] * len(self.properties))
        except Exception as error:
            return self.crash(error)
        texts, wrong = self._texts(method, values)
        first = contained or wrong
        return Values(texts, None if first is None else failure(first, self.file))

    def _check_count(self, method: str, values: Any) -> None:
        expected = len(self.properties)
        if values is no_update or (isinstance(values, (list, tuple)) and len(values) == expected):
            return
        # Looking for a line reads the file and touches every module: only when somebody will read it.
        line = _line(getattr(type(self.plugin), method, None))
        names = ", ".join(f"{id_text(identity)}.{name}" for identity, name in self.properties)
        hint = f"return one value per entry of `properties`, in this order: {names}"
        if not isinstance(values, (list, tuple)):
            raise PluginError(f"{method} returned {_described(values)}, expected a list of {expected}", hint, line)
        raise PluginError(f"{method} returned {len(values)}, expected {expected}", hint, line)

    def _texts(self, method: str, values: Any) -> tuple[list[str], Exception | None]:
        if values is no_update:
            return [NO_UPDATE] * len(self.properties), None
        texts: list[str] = []
        wrong: Exception | None = None
        for (identity, name), value in zip(self.properties, values, strict=True):
            try:
                texts.append(text_of(value))
            except Exception as error:
                said = PluginError(
                    f"{method} returned {_described(value)} for `{id_text(identity)}.{name}`, which JSON cannot say: {error}",
                    "return figures, components, texts, numbers, lists and dicts; a frame as frame.to_dict('records')",
                    _line(getattr(type(self.plugin), method, None)),
                )
                wrong = wrong or said
                texts.append(text_of(crash_values(self.kind, said, [(identity, name)])[0]))
        return texts, wrong


def _accepted(method: Any, options: dict[str, Any]) -> dict[str, Any]:
    """What the method takes by keyword: files of former releases take nothing."""
    given = {name: value for name, value in options.items() if value is not None}
    try:
        parameters: Iterable[inspect.Parameter] = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return given
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return given
    named = {each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}
    return {name: value for name, value in given.items() if name in named}


def _described(value: Any) -> str:
    if value is None:
        return "None"
    article = "an" if type(value).__name__[0].lower() in "aeiou" else "a"
    return f"{article} {type(value).__name__}"


def _line(thing: Any) -> int | None:
    """Where it is written."""
    try:
        return inspect.getsourcelines(inspect.unwrap(thing))[1]
    except (OSError, TypeError):
        return None
