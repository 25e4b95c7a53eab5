"""The table when it had two properties: pages of that time take exactly two values of it."""

from __future__ import annotations

from typing import Any

from ..plugins import ag_table

__all__ = ["AGTable"]


class AGTable(ag_table.AGTable):
    def create_component(self, component_id: str, max_height: int = 500, row_selection: str = "single", **former: Any) -> Any:
        component = super().create_component(component_id, max_height, row_selection, **former)
        self.properties = self.properties[:2]
        return component

    def update_properties(self, data_object: Any, **kwargs: Any) -> list[Any]:
        return super().update_properties(data_object, **kwargs)[:2]
