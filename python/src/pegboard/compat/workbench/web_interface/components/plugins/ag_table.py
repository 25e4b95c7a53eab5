"""A table whose rows can be selected, sorted and filtered."""

from __future__ import annotations

from typing import Any

from ....utils.symbols import tag_symbols
from ..plugin_interface import PluginInputType, PluginInterface, PluginPage

__all__ = ["AGTable"]

HEADER_PIXELS = 36
ROW_PIXELS = 25


class AGTable(PluginInterface):
    auto_load_page = PluginPage.NONE
    plugin_input_type = PluginInputType.DATAFRAME

    def __init__(self) -> None:
        super().__init__()
        self.max_height = 500

    def create_component(self, component_id: str, max_height: int = 500, row_selection: str = "single", **former: Any) -> Any:
        """`former`: `header_color`, which releases until January 2026 took; style sheets say it now."""
        from dash_ag_grid import AgGrid

        self.component_id = component_id
        self.max_height = max_height
        self.container = AgGrid(
            id=component_id,
            columnDefs=[],
            rowData=[],
            dashGridOptions={
                "rowSelection": row_selection,
                "suppressCellFocus": True,
                "rowHeight": ROW_PIXELS,
                # Otherwise the last row of a table is cut off.
                "headerHeight": HEADER_PIXELS,
                "defaultColDef": {"sortable": True, "filter": True, "resizable": True},
                "autoSizeStrategy": {
                    "type": "fitCellContents",
                    "defaultMaxWidth": 400,
                    "columnLimits": [{"colId": name, "maxWidth": 100} for name in ("Health", "Owner")],
                },
            },
            style={"maxHeight": f"{max_height}px", "overflow": "auto"},
        )
        self.properties = [(component_id, "columnDefs"), (component_id, "rowData"), (component_id, "style")]
        self.signals = [(component_id, "selectedRows")]
        return self.container

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        frame = data_object.copy()
        if "Health" in frame.columns:
            frame["Health"] = frame["Health"].map(tag_symbols)
        columns = [{"headerName": name, "field": name} for name in frame.columns]
        height = min(HEADER_PIXELS + ROW_PIXELS * len(frame), self.max_height) + 2
        return [columns, frame.to_dict("records"), {"height": f"{height}px", "overflow": "auto"}]
