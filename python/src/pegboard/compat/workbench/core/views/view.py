"""A view of a table: all of its columns, unless the artifact says which in the fact `views`."""

from __future__ import annotations

from typing import Any

from ..artifacts.data_source_abstract import DataSourceAbstract

__all__ = ["View"]


class View:
    """Columns of a table under a name: `display`, `computation`, `training` and so on."""

    def __init__(self, artifact: Any, view_name: str, **_: Any) -> None:
        table = artifact if isinstance(artifact, DataSourceAbstract) else artifact.data_source
        self.view_name = view_name
        self.data_source: DataSourceAbstract = table
        self.name = table.name

    @property
    def table(self) -> str:
        return self.data_source.table_name

    @property
    def columns(self) -> list[str]:
        chosen = self.data_source.fact("views", {}).get(self.view_name)
        known = self.data_source.columns
        return known if chosen is None else [name for name in chosen if name in known]

    @property
    def column_types(self) -> list[str]:
        return list(self.column_details().values())

    def column_details(self) -> dict[str, str]:
        types = self.data_source.column_details()
        return {name: types[name] for name in self.columns}

    def pull_dataframe(self, limit: int = 100_000, head: bool = False) -> Any:
        frame = self.data_source.pull_dataframe(limit=5 if head else limit)
        return frame[self.columns]

    def query(self, query: str) -> Any:
        return self.data_source.query(query)

    def exists(self) -> bool:
        return self.data_source.exists()
