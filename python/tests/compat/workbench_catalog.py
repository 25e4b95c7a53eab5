"""A catalog in memory, for tests of what reads one."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from pegboard.catalog import Catalog

NOW = "2026-01-02T03:04:05.000000Z"
SQL = {"i": "bigint", "f": "double", "b": "boolean", "O": "string", "M": "timestamp"}


class MemoryCatalog(Catalog):
    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.artifacts_by_key: dict[tuple[str, str], dict[str, Any]] = {}
        self.tables: dict[tuple[str, str, str], Any] = {}
        self.asked = 0

    def put(self, kind: str, name: str, tables: dict[str, Any] | None = None, **words: Any) -> dict[str, Any]:
        files = []
        for role, table in (tables or {}).items():
            self.tables[kind, name, role] = table
            is_frame = hasattr(table, "columns")
            columns = [{"name": key, "sql_type": SQL[kind_.kind]} for key, kind_ in table.dtypes.items()] if is_frame else []
            rows = len(table) if is_frame else None
            files.append({"role": role, "format": "parquet", "bytes": 500_000, "hash": "00ff", "rows": rows, "columns": columns})
        made = {
            "kind": kind,
            "name": name,
            "version": 1,
            "owner": "vera",
            "description": "",
            "status": "ready",
            "tags": [],
            "health": [],
            "inputs": [],
            "origin": {},
            "facts": {},
            "files": files,
            "bytes": 500_000 * len(files),
            "created_at": NOW,
            "modified_at": NOW,
            "used_by": [],
            **words,
        }
        self.artifacts_by_key[kind, name.strip("/")] = made
        return made

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        self.asked += 1
        return self.artifacts_by_key.get((kind, name.strip("/")))

    def artifact(self, kind: str, name: str, version: int | None = None) -> dict[str, Any]:
        return self.artifacts_by_key[kind, name]

    def artifacts(self, kind: str) -> Any:
        return iter([each for (of, _), each in sorted(self.artifacts_by_key.items()) if of == kind])

    def frame(self, kind: str, name: str, *, file: str = "data", limit: int = 100, offset: int = 0, sample: bool = False) -> Any:
        return self.tables[kind, name, file].copy()

    def sample(self, kind: str, name: str, rows: int = 100, *, file: str = "data") -> Any:
        return self.tables[kind, name, file].head(rows).copy()

    def outliers(self, kind: str, name: str, *, scale: float = 1.5, sample: int | None = None) -> Any:
        return self.tables[kind, name, "data"].head(sample or 2).assign(outlier_group="sample")

    def content(self, kind: str, name: str, role: str) -> bytes:
        return json.dumps(self.tables[kind, name, role]).encode()

    def statistics(self, kind: str, name: str) -> dict[str, Any]:
        frame = self.tables[kind, name, "data"]
        numbers = frame.select_dtypes("number")
        related = numbers.corr()
        correlations = {key: {other: related.loc[key, other] for other in related if other != key} for key in related}
        described = {key: {"min": frame[key].min(), "max": frame[key].max()} for key in numbers}
        columns = {key: {"dtype": "double", "unique": 1, "nulls": 0, "correlations": correlations[key]} for key in numbers}
        return {"column_stats": columns, "descriptive_stats": described, "value_counts": {}, "correlations": correlations}

    def edit(self, kind: str, name: str, **words: Any) -> dict[str, Any]:
        artifact = self.artifacts_by_key[kind, name]
        artifact["facts"] |= words.pop("facts", {})
        artifact.update(words, modified_at="2026-02-02T03:04:05.000000Z")
        return artifact

    def put_parameter(self, name: str, value: Any) -> dict[str, Any]:
        return self.put("parameter", name.strip("/"), facts={"value": value})

    def put_frame(self, name: str, data: Any, **words: Any) -> dict[str, Any]:
        return self.put("frame", name, {"data": data}, **words)

    def publish_graph(self, name: str, graph: Any, **words: Any) -> dict[str, Any]:
        return self.put("graph", name, {"graph": graph}, **words)

    def remove(self, kind: str, name: str) -> bool:
        return self.artifacts_by_key.pop((kind, name.strip("/")), None) is not None


def filled() -> MemoryCatalog:
    """A table, a feature set, a classifier, a regressor and an endpoint."""
    catalog = MemoryCatalog()
    rows = 40
    table = pd.DataFrame({"id": range(rows), "a": [each / 7 for each in range(rows)], "b": [each % 5 * 1.5 for each in range(rows)]})
    table["class"] = ["xyz"[each % 3] for each in range(rows)]
    catalog.put("data_source", "abalone_data", {"data": table}, tags=["one", "two"], health=["no_activity"])
    catalog.put("feature_set", "abalone_features", {"data": table}, inputs=["data_source:abalone_data"], facts={"id_column": "id"})
    classes = table.assign(prediction=["xyz"[each % 2] for each in range(rows)], confidence=0.8)
    classes = classes.assign(x_proba=0.5, y_proba=0.3, z_proba=0.2)
    matrix = pd.DataFrame({"labels": ["x", "y", "z"], "x": [7, 7, 6], "y": [7, 6, 7], "z": [0, 0, 0]})
    shap = pd.DataFrame({"id": range(rows), "a": [each / 9 for each in range(rows)], "b": 0.5, "bias": 0.1})
    catalog.put(
        "model",
        "wine",
        {
            "runs/full_cross_fold/predictions": classes,
            "runs/full_cross_fold/metrics": pd.DataFrame({"class": ["x", "y", "z", "all"], "f1": [0.5, 0.25, 0.125, 0.3]}),
            "runs/full_cross_fold/confusion_matrix": matrix,
            "runs/model_training/metrics": pd.DataFrame({"f1": [0.9]}),
            "runs/another/metrics": pd.DataFrame({"f1": [0.9]}),
            "shap_importance": [["b", 0.1], ["a", 0.9]],
            "shap_values/x": shap,
            "shap_values/y": shap,
            "shap_feature_values": table[["id", "a", "b"]],
        },
        inputs=["feature_set:abalone_features"],
        facts={
            "model_type": "classifier",
            "framework": "sklearn",
            "target": "class",
            "features": ["a", "b"],
            "class_labels": ["x", "y", "z"],
        },
    )
    numbers = table.assign(target=table["a"] * 2, prediction=table["a"] * 2 + 1, prediction_std=0.2)
    catalog.put(
        "model",
        "abalone-regression",
        {
            "runs/full_cross_fold/predictions": numbers,
            "runs/full_cross_fold/metrics": pd.DataFrame({"rmse": [1.0], "r2": [0.5]}),
        },
        facts={"model_type": "regressor", "target": "target", "hyperparameters": {"depth": 3}},
        used_by=["endpoint:abalone-regression", "model:other"],
    )
    metrics = pd.DataFrame({"timestamps": ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"], "Invocations": [1.0, 2.0]})
    catalog.put(
        "endpoint", "abalone-regression", {"metrics": metrics}, inputs=["model:abalone-regression"], facts={"instance": "Serverless"}
    )
    return catalog
