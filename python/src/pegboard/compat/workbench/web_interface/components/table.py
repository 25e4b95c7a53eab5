"""A plain table, as pages used it until March 2025."""

from __future__ import annotations

from typing import Any

__all__ = ["Table"]


class Table:
    def create_component(
        self, component_id: str, header_color: str = "rgb(60, 60, 60)", row_select: str | bool = False, max_height: str = "500px"
    ) -> Any:
        from dash import dash_table

        return dash_table.DataTable(
            id=component_id,
            sort_action="native",
            row_selectable=row_select,
            cell_selectable=False,
            markdown_options={"html": False},
            style_header={"backgroundColor": header_color, "color": "rgb(220, 220, 220)"},
            style_table={"maxHeight": max_height, "overflow": "auto"},
        )

    @staticmethod
    def column_setup(df: Any, markdown_columns: list[str] | None = None) -> list[dict[str, Any]]:
        marked = markdown_columns or []
        return [{"name": name, "id": name, "presentation": "markdown" if name in marked else "input"} for name in df.columns]
