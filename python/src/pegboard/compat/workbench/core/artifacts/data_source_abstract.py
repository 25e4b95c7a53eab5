"""What every table of the catalog can tell, whichever kind of artifact it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .artifact import AWSArtifact, source

if TYPE_CHECKING:
    from ..views.view import View

__all__ = ["DataSourceAbstract"]


class DataSourceAbstract(AWSArtifact):
    """A table with its statistics."""

    def __init__(self, data_uuid: str, database: str = "workbench", **options: Any) -> None:
        super().__init__(data_uuid, **options)
        self.database = database

    def _data(self) -> dict[str, Any]:
        return self.file("data") or {"columns": [], "rows": 0}

    def _statistics(self) -> dict[str, Any]:
        return source().statistics(self.KIND, self.name) if self.exists() else {}

    @property
    def columns(self) -> list[str]:
        return [column["name"] for column in self._data()["columns"]]

    @property
    def column_types(self) -> list[str]:
        return [column["sql_type"] for column in self._data()["columns"]]

    def column_details(self, view: str = "all") -> dict[str, str]:
        return {column["name"]: column["sql_type"] for column in self._data()["columns"]}

    def num_rows(self) -> int:
        return int(self._data()["rows"] or 0)

    def num_columns(self) -> int:
        return len(self._data()["columns"])

    @property
    def table_name(self) -> str:
        """As `query` knows the table."""
        return f'{self.KIND}."{self.name}"'

    def query(self, query: str) -> Any:
        return source().query(query)

    def pull_dataframe(self, limit: int = 100_000, include_aws_columns: bool = False) -> Any:
        return source().frame(self.KIND, self.name, limit=limit)

    def sample(self, rows: int = 100) -> Any:
        return source().sample(self.KIND, self.name, rows)

    def outliers(self, scale: float = 1.5, use_stddev: bool = False) -> Any:
        return source().outliers(self.KIND, self.name, scale=scale)

    def smart_sample(self, rows: int = 100) -> Any:
        return source().outliers(self.KIND, self.name, sample=rows)

    def descriptive_stats(self) -> dict[str, dict[str, float]]:
        return dict(self._statistics().get("descriptive_stats", {}))

    def value_counts(self) -> dict[str, dict[str, int]]:
        return dict(self._statistics().get("value_counts", {}))

    def correlations(self) -> dict[str, dict[str, float]]:
        return dict(self._statistics().get("correlations", {}))

    def column_stats(self) -> dict[str, dict[str, Any]]:
        return dict(self._statistics().get("column_stats", {}))

    def view(self, view_name: str) -> View:
        from ..views.view import View

        return View(self, view_name)

    def views(self) -> list[str]:
        return ["display", "computation"]

    def workbench_meta(self) -> dict[str, Any]:
        meta = super().workbench_meta()
        if meta:
            statistics = self._statistics()
            meta["workbench_descriptive_stats"] = statistics["descriptive_stats"]
            meta["workbench_value_counts"] = statistics["value_counts"]
            meta["workbench_correlations"] = statistics["correlations"]
            meta["workbench_column_stats"] = statistics["column_stats"]
        return meta

    def details(self) -> dict[str, Any]:
        details = self.summary()
        for key in ("created", "modified"):
            details[key] = details[key].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        details.update(
            num_rows=self.num_rows(),
            num_columns=self.num_columns(),
            column_details=self.column_details(),
            s3_storage_location=f"catalog/{self.KIND}/{self.name}",
            storage_type="parquet",
            aws_url=self.aws_url(),
            column_stats=self.column_stats(),
        )
        return details
