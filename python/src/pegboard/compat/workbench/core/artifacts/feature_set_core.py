"""A feature set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .artifact import AWSArtifact
from .data_source_abstract import DataSourceAbstract

if TYPE_CHECKING:
    from ..views.view import View

__all__ = ["FeatureSetCore"]

FRACTIONS = frozenset({"float", "double", "decimal"})
INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint"})


class _Table(DataSourceAbstract):
    """The table of a feature set, as the data source that plugins reach through `data_source`."""

    KIND = "feature_set"


class FeatureSetCore(AWSArtifact):
    """A table that models learn from."""

    KIND = "feature_set"

    def __init__(self, feature_set_uuid: str, **options: Any) -> None:
        super().__init__(feature_set_uuid, **options)
        self.data_source: DataSourceAbstract = _Table(feature_set_uuid)

    def refresh_meta(self) -> None:
        super().refresh_meta()
        self.data_source.refresh_meta()

    @property
    def id_column(self) -> str | None:
        columns = self.columns
        found: str | None = self.fact("id_column")
        if found is None:
            found = next((name for name in columns if name.lower() in ("id", "uuid")), columns[0] if columns else None)
        return found

    @property
    def event_time(self) -> str:
        return str(self.fact("event_time", "event_time"))

    @property
    def columns(self) -> list[str]:
        return self.data_source.columns

    @property
    def column_types(self) -> list[str]:
        return list(self.column_details().values())

    def column_details(self, view: str = "all") -> dict[str, str]:
        """Feature types by column: `Integral`, `Fractional`, `String`, and SQL's words for all else."""
        types = self.data_source.column_details()
        return {name: _feature_type(kind) for name, kind in types.items()}

    def num_rows(self) -> int:
        return self.data_source.num_rows()

    def num_columns(self) -> int:
        return self.data_source.num_columns()

    def query(self, query: str, overwrite: bool = True) -> Any:
        return self.data_source.query(query)

    def pull_dataframe(self, limit: int = 100_000, include_aws_columns: bool = False) -> Any:
        return self.data_source.pull_dataframe(limit)

    def view(self, view_name: str) -> View:
        return self.data_source.view(view_name)

    def views(self) -> list[str]:
        return ["display", "computation", "training"]

    def sample(self, rows: int = 100) -> Any:
        return self.data_source.sample(rows)

    def outliers(self, scale: float = 1.5, recompute: bool = False) -> Any:
        return self.data_source.outliers(scale)

    def smart_sample(self, rows: int = 100) -> Any:
        return self.data_source.smart_sample(rows)

    def descriptive_stats(self) -> dict[str, dict[str, float]]:
        return self.data_source.descriptive_stats()

    def value_counts(self) -> dict[str, dict[str, int]]:
        return self.data_source.value_counts()

    def correlations(self) -> dict[str, dict[str, float]]:
        return self.data_source.correlations()

    def column_stats(self) -> dict[str, dict[str, Any]]:
        return self.data_source.column_stats()

    def details(self) -> dict[str, Any]:
        details = self.summary()
        details.update(
            aws_url=self.aws_url(),
            storage_summary=f"catalog/{self.KIND}/{self.name}",
            num_columns=self.num_columns(),
            num_rows=self.num_rows(),
            workbench_status=self.get_status(),
            workbench_input=self.get_input(),
            workbench_tags="::".join(self.get_tags()),
            storage_type="parquet",
            storage_name=self.name,
            column_details=self.column_details(),
            column_stats=self.column_stats(),
        )
        return details


def _feature_type(kind: str) -> str:
    if kind in INTEGERS:
        return "Integral"
    if kind in FRACTIONS:
        return "Fractional"
    return "String" if kind == "string" else kind
