"""Callbacks that pages share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["THEME_STORE_ID", "plugin_outputs", "register_theme_callback", "sync_selection"]

THEME_STORE_ID = "workbench-theme-store"


def plugin_outputs(plugins: Iterable[Any], allow_duplicate: bool = False) -> list[Any]:
    from dash import Output

    return [Output(identity, name, allow_duplicate=allow_duplicate) for plugin in plugins for identity, name in plugin.properties]


def register_theme_callback(plugins: list[Any]) -> None:
    """One callback that has each plugin draw itself in the viewer's theme."""
    from dash import Input, callback

    outputs = plugin_outputs(plugins, allow_duplicate=True)
    if not outputs:
        return

    @callback(outputs, Input(THEME_STORE_ID, "data"), prevent_initial_call=True)  # type: ignore[untyped-decorator]
    def on_theme(theme: str) -> list[Any]:
        return [value for plugin in plugins for value in plugin.set_theme(theme)]


def sync_selection(table_id: str, loaded_store_id: str) -> None:
    """The row that the URL names is selected when the table arrives, else the first; a selected row is written into the URL."""
    from dash import Input, Output, State, clientside_callback

    clientside_callback(
        """function(rows, loaded) {
    const keep = dash_clientside.no_update;
    if (loaded || !rows || !rows.length) { return [keep, keep]; }
    const wanted = new URLSearchParams(window.location.search).get("name");
    return [[rows.find((row) => row.name === wanted) || rows[0]], true];
}""",
        Output(table_id, "selectedRows"),
        Output(loaded_store_id, "data"),
        Input(table_id, "rowData"),
        State(loaded_store_id, "data"),
    )
    clientside_callback(
        """function(rows) {
    if (rows && rows.length && rows[0].name) {
        const url = new URL(window.location.href);
        url.searchParams.set("name", rows[0].name);
        window.history.replaceState(window.history.state, "", url);
    }
    return dash_clientside.no_update;
}""",
        Output(loaded_store_id, "data", allow_duplicate=True),
        Input(table_id, "selectedRows"),
        prevent_initial_call=True,
    )
