"""The menu at the top right: pages, and one entry per theme."""

from __future__ import annotations

from typing import Any

from ...utils.theme_manager import ThemeManager
from ..utils.page_callbacks import THEME_STORE_ID

__all__ = ["SettingsMenu"]


class SettingsMenu:
    def __init__(self) -> None:
        self.tm = ThemeManager()

    def create_component(self, component_id: str = "settings-menu") -> Any:
        import dash_bootstrap_components as dbc
        from dash import dcc, html

        current = self.tm.current_theme()
        items: list[Any] = [
            dbc.DropdownMenuItem("Home", href="/", external_link=True),
            dbc.DropdownMenuItem("Status", href="/status", external_link=True),
            dbc.DropdownMenuItem(divider=True),
        ]
        for name in self.tm.list_themes():
            mark = html.Span("✓ " if name == current else "", id={"type": "settings-menu-checkmark", "theme": name})
            entry = {"type": "settings-menu-theme-item", "theme": name}
            items.append(dbc.DropdownMenuItem([mark, name.replace("_", " ").title()], id=entry, n_clicks=0))
        menu = dbc.DropdownMenu(items, label="⚙", align_end=True, id=f"{component_id}-dropdown")
        return html.Div([menu, dcc.Store(id=f"{component_id}-init")], id=component_id)

    def register_callbacks(self, component_id: str = "settings-menu") -> None:
        from dash import ALL, Input, Output, State, clientside_callback

        chosen = f"{component_id}-init"
        items = {"type": "settings-menu-theme-item", "theme": ALL}
        marks = {"type": "settings-menu-checkmark", "theme": ALL}
        clientside_callback(self.tm.get_theme_switch_js(), Output(chosen, "data"), Input(items, "n_clicks"), prevent_initial_call=True)
        clientside_callback(
            "function(theme, ids) { return ids.map((id) => (id.theme === theme ? '✓ ' : '')); }",
            Output(marks, "children"),
            Input(chosen, "data"),
            State(marks, "id"),
            prevent_initial_call=True,
        )
        clientside_callback(
            "function(theme) { return theme || dash_clientside.no_update; }",
            Output(THEME_STORE_ID, "data"),
            Input(chosen, "data"),
            prevent_initial_call=True,
        )
