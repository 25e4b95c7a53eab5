"""The Dash app of a worker: it serves nothing by itself; it keeps callbacks and answers one request at a time.

Callbacks may come while the file is loaded; `freeze` exports them and no later one counts.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dash
import flask
from dash import _callback
from dash._callback_context import context_value
from dash._utils import AttributeDict
from dash.exceptions import PreventUpdate

from pegboard.panels._background import ProcessJobs
from pegboard.panels._failures import PluginError

__all__ = ["CallbackAnswer", "Site", "park_site", "site_for"]

FUNCTION_NAME = re.compile(r'ns\["([0-9a-f]{64})"\]')
UPDATE = "/_dash-update-component"


class CallbackAnswer:
    """What a request got: a status, JSON text unless there is nothing to say, an error, cookies that it set."""

    __slots__ = ("cookies", "error", "status", "text")

    def __init__(self, status: int, text: str | None = None, error: BaseException | None = None, cookies: list[str] | None = None) -> None:
        self.status = status
        self.text = text
        self.error = error
        self.cookies = cookies or []


class _Request(flask.Request):  # type: ignore[misc]
    """Its body has been read by the server already."""

    def get_json(self, *arguments: Any, **named: Any) -> Any:
        return self.environ.get("pegboard.body")


class Site:
    """Callbacks, pages and requests."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.app = dash.Dash(
            "pegboard_dashboard",
            use_pages=True,
            pages_folder="",
            requests_pathname_prefix=prefix,
            routes_pathname_prefix="/",
            suppress_callback_exceptions=True,
            include_assets_files=False,
            add_log_handler=False,
            background_callback_manager=ProcessJobs(),
        )
        self.app.server.request_class = _Request
        self.redirects: dict[str, list[str]] = {}
        self.app.backend.add_redirect_rule = self._note_redirect
        self._rules = {rule.rule for rule in self.app.server.url_map.iter_rules()}
        self._specifications: list[dict[str, Any]] = []
        self._scripts: list[str] = []

    # What plugins register.

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Callbacks and scripts that are registered inside are forgotten when it raises."""
        lists = (_callback.GLOBAL_CALLBACK_LIST, self.app._callback_list, _callback.GLOBAL_INLINE_SCRIPTS, self.app._inline_scripts)
        maps = (_callback.GLOBAL_CALLBACK_MAP, self.app.callback_map)
        kept = [list(each) for each in lists]
        known = [dict(each) for each in maps]
        try:
            yield
        except BaseException:
            for each, before in zip(lists, kept, strict=True):
                each[:] = before
            for table, entries in zip(maps, known, strict=True):
                table.clear()
                table.update(entries)
            raise

    def registered_routes(self) -> list[str]:
        """Routes that a plugin added to the app's server; nothing leads to them."""
        return sorted({rule.rule for rule in self.app.server.url_map.iter_rules()} - self._rules)

    def _note_redirect(self, app: Any, fullname: str, path: str) -> None:
        target = "/" + str(app.strip_relative_path(path) or "")
        self.redirects.setdefault(target, []).append("/" + str(app.strip_relative_path(fullname) or ""))

    def freeze(self) -> list[str]:
        """Exports what was registered. What is wrong with it comes back as sentences; the callbacks that they name are left out."""
        wrong = self._without_duplicates()
        try:
            self.app._setup_server()
        except Exception as error:
            # The rest is as it was before the one that Dash refuses.
            wrong.append(f"Dash refuses the callbacks: {error}")
        for entry in self.app.callback_map.values():
            function = entry.get("callback")
            if inspect.iscoroutinefunction(function):
                entry["callback"] = _run_to_end(function)
        self._specifications = list(self.app._callback_list)
        self._scripts = list(dict.fromkeys(self.app._inline_scripts))
        return wrong

    def _without_duplicates(self) -> list[str]:
        wrong: list[str] = []
        seen: set[str] = set()
        for entries in (self.app._callback_list, _callback.GLOBAL_CALLBACK_LIST):
            kept: list[dict[str, Any]] = []
            for each in entries:
                outputs = {each["output"]} if each.get("no_output") else set(_outputs(each["output"]))
                taken = sorted(outputs & seen)
                if taken:
                    wrong.append(
                        f"two callbacks have the output {', '.join(taken)}: the first one counts; give the other `allow_duplicate=True`"
                    )
                    if each["output"] not in {other["output"] for other in kept}:
                        _callback.GLOBAL_CALLBACK_MAP.pop(each["output"], None)
                    continue
                seen |= outputs
                kept.append(each)
            entries[:] = kept
        return wrong

    def callbacks(self) -> list[dict[str, Any]]:
        """As the browser reads them."""
        return self._specifications

    def scripts(self) -> list[dict[str, str]]:
        """Functions that callbacks name by the digest of their text."""
        found = []
        for source in self._scripts:
            name = FUNCTION_NAME.search(source)
            found.append({"name": name.group(1) if name else "", "source": source.strip()})
        return found

    # Requests.

    @contextmanager
    def request(self, cookies: Mapping[str, str] | None, *, query: str = "", body: Any = None) -> Iterator[None]:
        """What runs inside believes that a browser asks."""
        environment = {
            "REQUEST_METHOD": "POST" if body is not None else "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": UPDATE if body is not None else "/",
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": "application/json",
            "HTTP_ACCEPT": "application/json",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in (cookies or {}).items()),
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "pegboard.body": body,
        }
        with self.app.server.request_context(environment):
            yield

    @contextmanager
    def as_callback(self, cookies: Mapping[str, str] | None) -> Iterator[dict[str, Any]]:
        """The same for the server's own callbacks; the dict is what `set_props` sets meanwhile."""
        with self.request(cookies):
            said: dict[str, Any] = {}
            context = AttributeDict(
                inputs_list=[],
                states_list=[],
                outputs_list=[],
                input_values={},
                state_values={},
                triggered_inputs=[],
                cookies=dict(flask.request.cookies),
                headers=dict(flask.request.headers),
                args=flask.request.args,
                updated_props=said,
                custom_data=AttributeDict(),
            )
            token = context_value.set(context)
            try:
                yield said
            finally:
                context_value.reset(token)

    def answer(self, body: Any, query: str, cookies: Mapping[str, str] | None) -> CallbackAnswer:
        """Has the callback that owns the body's output make its values."""
        if not isinstance(body, dict) or not isinstance(body.get("output"), str):
            return CallbackAnswer(400, error=PluginError("the body is no callback: it needs `output`, `outputs` and `inputs`"))
        known = self.app.callback_map.get(body["output"])
        if known is None or "callback" not in known:
            return CallbackAnswer(404, error=PluginError(f"no callback of this plugin has the output `{body['output']}`"))
        with self.request(cookies, query=query, body=body):
            try:
                response = self.app.server.view_functions[UPDATE]()
            except PreventUpdate:
                return CallbackAnswer(204)
            except Exception as error:
                return CallbackAnswer(500, error=error)
            set_cookies = response.headers.getlist("Set-Cookie")
            if response.status_code == 204:
                return CallbackAnswer(204, cookies=set_cookies)
            return CallbackAnswer(response.status_code, response.get_data(as_text=True), cookies=set_cookies)


_PARKED: list[Site] = []


def park_site(prefix: str) -> None:
    """Makes a site for the worker that this process becomes: in the parked interpreter once, instead of in each worker."""
    site = Site(prefix)
    with site.as_callback({}):
        # Routes are compiled for the first request.
        pass
    _PARKED[:] = [site]


def site_for(prefix: str) -> Site:
    """The one that was parked, when it fits; there is one per process."""
    parked = _PARKED.pop() if _PARKED else None
    return parked if parked is not None and parked.prefix == prefix else Site(prefix)


def _outputs(output: str) -> list[str]:
    """The single outputs of a key such as `..a.x...b.y..`."""
    if output.startswith("..") and output.endswith(".."):
        return output[2:-2].split("...")
    return [output]


def _run_to_end(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        return asyncio.run(function(*arguments, **named))

    return run
