"""The worker's one plugin file: loaded once, then asked."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

from pegboard.panels._artifacts import artifact_of
from pegboard.panels._encode import joined, object_of, text_of
from pegboard.panels._failures import PluginError, failure
from pegboard.panels._libraries import ALWAYS, libraries
from pegboard.panels._messages import Messages
from pegboard.panels._modules import classes_of, executed_files, make_importable, module_of
from pegboard.panels._nothing import EmptyCatalog
from pegboard.panels._package import COOKIE, configure, is_original, page_view, plugin_interface, validated
from pegboard.panels._page import Page, laid_out, pages_of, registered
from pegboard.panels._panel import Panel, Values
from pegboard.panels._site import Site, site_for
from pegboard.panels._tree import alert, id_text

__all__ = ["PanelWorker"]

log = logging.getLogger("workbench")
KINDS: Final = ("component", "page", "view")
DASHBOARD: Final = "/ui/dash/"
# Served always, whatever a file imports.
SERVED: Final = ("dash", "plotly", *ALWAYS)


class PanelWorker:
    """What the file brought: panels, views or pages by name."""

    def __init__(self) -> None:
        self._site: Site | None = None
        self._file = ""
        self._roots: list[str] = []
        self._panels: dict[str, Panel] = {}
        self._pages: dict[str, Page] = {}
        self._views: list[dict[str, Any]] = []

    # Loading.

    def load(self, asked: dict[str, Any]) -> bytes:
        return self._load(asked)[0]

    def _load(self, asked: dict[str, Any]) -> tuple[bytes, Messages]:
        kind, self._file = asked.get("kind", "component"), str(asked["file"])
        self._roots = [str(root) for root in asked.get("roots") or [Path(self._file).parent.parent]]
        messages = Messages(self._file)
        told: dict[str, Any] | None = None
        try:
            if self._site is not None:
                raise PluginError("this worker has loaded a file already")
            if kind not in KINDS:
                raise PluginError(f"`{kind}` is no kind of plugin file: it is one of {', '.join(KINDS)}")
            make_importable(self._roots)
            configure(self._roots, str(Path(self._file).parent.parent))
            self._site = site_for(str(asked.get("prefix") or DASHBOARD))
            before = registered()
            classes = classes_of(module_of(self._file, asked.get("text")))
            if kind == "component":
                self._load_panels(classes, {str(each) for each in asked.get("known_ids") or []}, messages)
            elif kind == "page":
                self._load_pages(classes, before, messages)
            else:
                self._views = _views(classes, self._file, messages)
        except (Exception, SystemExit) as error:
            told = failure(error, self._file)
            messages.failed(told)
        return self._told(told, messages), messages

    def _load_panels(self, classes: list[type], known_ids: set[str], messages: Messages) -> None:
        assert self._site is not None
        for kind in classes:
            if plugin_interface() not in kind.__mro__:
                continue
            panel = Panel(kind, self._file)
            valid, reason = validated(kind)
            try:
                if not valid:
                    log.error(f"Plugin '{kind.__name__}' ({Path(self._file).name}) failed validation: {reason}")
                    raise PluginError(reason, "write that method, or take a base class that has it")
                with self._site.all_or_nothing():
                    panel.create(known_ids, messages)
            except (Exception, SystemExit) as error:
                panel.fail(error)
                assert panel.error is not None
                messages.error(f"{kind.__name__}: {panel.error['message']}", panel.error["hint"], panel.error["line"])
            known_ids |= {id_text(identity) for identity in panel.ids}
            self._panels[kind.__name__] = panel
        if not self._panels:
            messages.warn("the file has no panel: no class of it derives from PluginInterface")
        self._freeze(messages)

    def _load_pages(self, classes: list[type], before: dict[str, Any], messages: Messages) -> None:
        assert self._site is not None
        for page in pages_of(classes, before, self._site, self._file, Path(self._file).stem, messages):
            self._pages[str(page.entry.get("module") or page.name)] = page
        if not self._pages:
            messages.warn("the file has no page: no class of it has `page_setup`")
        self._freeze(messages)

    def _freeze(self, messages: Messages) -> None:
        assert self._site is not None
        for text in self._site.freeze():
            messages.error(text)
        for route in self._site.registered_routes():
            messages.warn(f"route `{route}` of the plugin's own is not served", "make a callback of it, or serve it elsewhere")

    def _told(self, told: dict[str, Any] | None, messages: Messages) -> bytes:
        panels = [
            object_of(
                **{"class": panel.kind.__name__},
                page=_value(panel.kind, "auto_load_page", "none"),
                input=_value(panel.kind, "plugin_input_type", "custom"),
                id=panel.component_id,
                layout_json=panel.layout,
                ids_json=text_of(panel.ids),
                properties_json=text_of(panel.properties),
                signals_json=text_of(panel.signals),
                error=panel.error,
            ).decode()
            for panel in self._panels.values()
        ]
        redirects = {} if self._site is None else self._site.redirects
        pages = [object_of(**page.told(redirects), layout_json=page.layout).decode() for page in self._pages.values()]
        site = self._site
        return object_of(
            panels_json=joined(panels),
            views=self._views,
            pages_json=joined(pages),
            callbacks_json=text_of(site.callbacks() if site is not None else []),
            inline_scripts=site.scripts() if site is not None else [],
            libraries=libraries(SERVED) if site is not None else None,
            files=executed_files(self._roots),
            messages=messages.found,
            error=told,
        )

    # Panels.

    def update(self, asked: dict[str, Any]) -> bytes:
        panel, site = self._panel(asked)
        with site.as_callback(asked.get("cookies")) as said:
            values = self._updated(panel, asked)
            return _answer(values, said)

    def _updated(self, panel: Panel, asked: dict[str, Any]) -> Values:
        if panel.error is not None:
            return Values([], panel.error)
        try:
            thing = artifact_of(asked.get("artifact") or {})
        except Exception as error:
            return panel.crash(error)
        return panel.update(thing, dict(asked.get("options") or {}))

    def set_theme(self, asked: dict[str, Any]) -> bytes:
        panel, site = self._panel(asked)
        theme = str(asked.get("theme") or "")
        with site.as_callback({**(asked.get("cookies") or {}), COOKIE: theme}) as said:
            values = Values([], panel.error) if panel.error is not None else panel.set_theme(theme)
            return _answer(values, said)

    def _panel(self, asked: dict[str, Any]) -> tuple[Panel, Site]:
        name = str(asked.get("class"))
        if self._site is None or name not in self._panels:
            raise LookupError(f"this worker has no panel `{name}`; it has {', '.join(self._panels) or 'none'}")
        return self._panels[name], self._site

    # Callbacks and pages.

    def callback(self, asked: dict[str, Any]) -> bytes:
        if self._site is None:
            raise LookupError("this worker has loaded no file")
        found = self._site.answer(asked.get("body"), str(asked.get("query") or "").removeprefix("?"), asked.get("cookies"))
        told = None if found.error is None else failure(found.error, self._file)
        body = found.text if found.text else text_of({"error": told}) if told is not None else "null"
        return object_of(status=found.status, body_json=body, error=told, set_cookies=found.cookies)

    def layout(self, asked: dict[str, Any]) -> bytes:
        page = self._pages.get(str(asked.get("page")))
        if self._site is None or page is None:
            raise LookupError(f"this worker has no page `{asked.get('page')}`; it has {', '.join(self._pages) or 'none'}")
        if page.error is not None:
            return object_of(layout_json=page.layout, title=page.entry.get("title") or page.name, error=page.error)
        with self._site.as_callback(asked.get("cookies")):
            try:
                text, title = laid_out(page, asked.get("path_variables") or {}, asked.get("query") or {})
            except (Exception, SystemExit) as error:
                told = failure(error, self._file)
                return object_of(layout_json=text_of(alert(page.name, told)), title=page.name, error=told)
        return object_of(layout_json=text, title=title, error=None)

    # Checking.

    def check(self, asked: dict[str, Any]) -> bytes:
        if not is_original():
            from workbench.core.artifacts import artifact

            # The same findings with and without a server.
            artifact.catalog = EmptyCatalog()
        _, messages = self._load(asked)
        loaded = [name for name, panel in self._panels.items() if panel.error is None]
        loaded += [page.name for page in self._pages.values() if page.error is None]
        loaded += [view["class"] for view in self._views if view["error"] is None]
        return object_of(findings=messages.found, loaded=loaded)


def _views(classes: list[type], file: str, messages: Messages) -> list[dict[str, Any]]:
    views = []
    for kind in classes:
        if page_view() not in kind.__mro__:
            messages.error(
                f"Unexpected plugin type 'views' for plugin '{kind.__name__}'", "derive it from PageView, or keep it in `packages/`"
            )
            continue
        lacking = sorted(getattr(kind, "__abstractmethods__", ()))
        told = failure(PluginError(f"Method '{lacking[0]}' is not implemented by {kind.__name__}", "write it"), file) if lacking else None
        if told is not None:
            messages.failed(told)
        views.append({"class": kind.__name__, "error": told})
    return views


def _answer(values: Values, said: dict[str, Any]) -> bytes:
    more = {"side_update_json": text_of(said)} if said else {}
    return object_of(values_json=values.json(), error=values.error, **more)


def _value(kind: type, name: str, otherwise: str) -> str:
    return str(getattr(getattr(kind, name, None), "value", otherwise))
