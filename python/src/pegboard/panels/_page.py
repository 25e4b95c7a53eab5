"""Pages: classes with `page_setup`, and what they register."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash
from dash.development.base_component import Component

from pegboard.panels._encode import text_of
from pegboard.panels._failures import PluginError, failure
from pegboard.panels._messages import Messages
from pegboard.panels._site import Site
from pegboard.panels._tree import alert, id_text, ids_of

__all__ = ["Page", "laid_out", "pages_of", "registered"]


class Page:
    """An entry of Dash's page registry, or the failure of a class that should have made one."""

    def __init__(self, name: str, entry: Mapping[str, Any] | None, error: dict[str, Any] | None = None) -> None:
        self.name = name
        self.entry = entry or {}
        self.error = error
        self.layout = "null"
        self.ids: list[str] = []

    def told(self, redirects: Mapping[str, list[str]]) -> dict[str, Any]:
        """All but the layout; `redirects` are addresses by the path that they lead to."""
        entry = self.entry
        title = entry.get("title")
        return {
            "class": self.name,
            "module": entry.get("module"),
            "path": entry.get("path"),
            "path_template": entry.get("path_template"),
            "name": entry.get("name"),
            "title": None if callable(title) else title,
            "title_is_function": callable(title),
            "description": None if callable(entry.get("description")) else entry.get("description"),
            "order": entry.get("order"),
            "image": entry.get("image"),
            "redirect_from": redirects.get(str(entry.get("path")), []),
            "is_not_found": str(entry.get("module") or "").split(".")[-1] == "not_found_404",
            "layout_is_function": callable(entry.get("layout")),
            "ids": self.ids,
            "error": self.error,
        }


def registered() -> dict[str, Any]:
    """Pages by module, as Dash has them now."""
    return dict(dash.page_registry)


def pages_of(classes: list[type], before: dict[str, Any], site: Site, file: str, stem: str, messages: Messages) -> list[Page]:
    """Sets up each page of the file. `before`: what was registered before the file was executed."""
    pages = [_page(stem, entry, file) for entry in _new(before)]
    for kind in classes:
        known = registered()
        if not hasattr(kind, "page_setup"):
            messages.note(f"class {kind.__name__} is no page: it has no `page_setup`")
            continue
        try:
            with site.all_or_nothing():
                kind().page_setup(site.app)
        except (Exception, SystemExit) as error:
            told = failure(error, file)
            messages.failed(told)
            entries: list[Mapping[str, Any] | None] = [*_new(known)] or [None]
            pages += [_failed(kind.__name__, entry, told) for entry in entries]
            continue
        made = _new(known)
        if not made:
            told = failure(PluginError(f"page_setup of {kind.__name__} registers no page", "call dash.register_page(...) in it"), file)
            messages.failed(told)
            pages.append(_failed(kind.__name__, None, told))
        for entry in made:
            page = _page(kind.__name__, entry, file)
            if page.error is not None:
                messages.failed(page.error)
            pages.append(page)
    return _without_same_paths(pages, messages)


def laid_out(page: Page, path_variables: Mapping[str, str], query: Mapping[str, Any]) -> tuple[str, str | None]:
    """JSON text of the layout, and the title, for these words of the address."""
    layout, title = page.entry.get("layout"), page.entry.get("title")
    if callable(layout):
        layout = layout(**{**path_variables, **query})
    if callable(title):
        title = title(**path_variables)
    return _text(layout), None if title is None else str(title)


def _new(before: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [entry for module, entry in dash.page_registry.items() if before.get(module) is not entry]


def _page(name: str, entry: Mapping[str, Any], file: str) -> Page:
    page = Page(name, entry)
    layout = entry.get("layout")
    try:
        if layout is None:
            raise PluginError(f"page `{entry['path']}` has no layout", "give dash.register_page(...) a layout")
        if not callable(layout):
            page.layout = _text(layout)
            page.ids = [id_text(identity) for identity in ids_of(layout)]
    except Exception as error:
        return _failed(name, entry, failure(error, file))
    return page


def _failed(name: str, entry: Mapping[str, Any] | None, told: dict[str, Any]) -> Page:
    page = Page(name, entry, told)
    page.layout = text_of(alert(name, told))
    return page


def _text(layout: Any) -> str:
    parts = layout if isinstance(layout, (list, tuple)) else [layout]
    strange = next((each for each in parts if each is not None and not isinstance(each, (Component, str, int, float))), None)
    if strange is not None:
        raise PluginError(f"the layout is a {type(strange).__name__}, not a Dash component", "return a component, such as html.Div")
    return text_of(layout)


def _without_same_paths(pages: list[Page], messages: Messages) -> list[Page]:
    kept: list[Page] = []
    for page in pages:
        path = page.entry.get("path")
        if path is not None and any(path == other.entry.get("path") for other in kept):
            messages.error(f"two pages of the file have the path `{path}`: the first one counts", "give each a path of its own")
            continue
        kept.append(page)
    return kept
