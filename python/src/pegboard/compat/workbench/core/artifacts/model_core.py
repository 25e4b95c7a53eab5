"""A model and what it made of data sets."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

from .artifact import AWSArtifact, source

__all__ = ["ModelCore", "ModelFramework", "ModelType"]

TRAINING = "model_training"
PREFERRED = ("full_cross_fold", "test_inference")


class ModelType(Enum):
    CLASSIFIER = "classifier"
    REGRESSOR = "regressor"
    CLUSTERER = "clusterer"
    PROXIMITY = "proximity"
    PROJECTION = "projection"
    UQ_REGRESSOR = "uq_regressor"
    ENSEMBLE_REGRESSOR = "ensemble_regressor"
    TRANSFORMER = "transformer"
    UNKNOWN = "unknown"


class ModelFramework(Enum):
    SKLEARN = "sklearn"
    XGBOOST = "xgboost"
    PYTORCH = "pytorch"
    CHEMPROP = "chemprop"
    TRANSFORMER = "transformer"
    META = "meta"
    UNKNOWN = "unknown"


PREDICTING = frozenset({ModelType.CLASSIFIER, ModelType.REGRESSOR, ModelType.UQ_REGRESSOR, ModelType.ENSEMBLE_REGRESSOR})


class ModelCore(AWSArtifact):
    """A model with its runs, metrics, confusion matrices and SHAP values."""

    KIND = "model"

    def __init__(self, model_uuid: str, model_type: ModelType | None = None, **options: Any) -> None:
        super().__init__(model_uuid, **options)
        self.model_name = model_uuid
        self._given_type = model_type

    @property
    def model_type(self) -> ModelType:
        return self._given_type or _member(ModelType, self.fact("model_type"))

    @property
    def model_framework(self) -> ModelFramework:
        found: ModelFramework = _member(ModelFramework, self.fact("framework"))
        return found

    def target(self) -> str | list[str] | None:
        found: str | list[str] | None = self.fact("target")
        return found

    def features(self) -> list[str] | None:
        found: list[str] | None = self.fact("features")
        return found

    def class_labels(self) -> list[str] | None:
        if self.model_type != ModelType.CLASSIFIER:
            return None
        found: list[str] | None = self.fact("class_labels")
        return found

    def hyperparameters(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.fact("hyperparameters")
        return found

    def endpoints(self) -> list[str]:
        return [each.partition(":")[2] for each in self.record().get("used_by", []) if each.startswith("endpoint:")]

    def workbench_meta(self) -> dict[str, Any]:
        meta = super().workbench_meta()
        if not meta:
            return meta
        named = {
            "workbench_model_type": self.model_type.value,
            "workbench_model_framework": self.model_framework.value,
            "workbench_model_target": self.target(),
            "workbench_model_features": self.features(),
            "class_labels": self.fact("class_labels"),
            "workbench_registered_endpoints": self.endpoints(),
            "workbench_hyperparameters": self.hyperparameters(),
            "workbench_pipeline": self.fact("pipeline"),
        }
        for key, role in (("workbench_training_metrics", "metrics"), ("workbench_training_cm", "confusion_matrix")):
            frame = self.table(f"runs/{TRAINING}/{role}")
            named[key] = None if frame is None else frame.to_dict()
        return {**meta, **{key: value for key, value in named.items() if value is not None}}

    # Runs.

    def list_inference_runs(self) -> list[str]:
        names = {file["role"].split("/")[1] for file in self.record().get("files", []) if file["role"].startswith("runs/")}
        runs = sorted(names - {TRAINING})
        return [*runs, TRAINING] if TRAINING in names else runs

    def default_inference_run(self) -> str | None:
        runs = self.list_inference_runs()
        found = next((run for run in PREFERRED if run in runs), None)
        return found or next((run for run in runs if run != TRAINING), None)

    def _run(self, capture_name: str) -> str | None:
        return self.default_inference_run() if capture_name == "default" else capture_name

    def get_inference_metadata(self, capture_name: str = "default") -> Any:
        import pandas as pd

        run = self._run(capture_name)
        if run not in self.list_inference_runs():
            return None
        said = (self.fact("runs") or {}).get(run) or {}
        if isinstance(said, list):
            said = said[0] if said else {}
        file = self.file(f"runs/{run}/predictions") or self.file(f"runs/{run}/metrics") or {}
        row = {
            "name": said.get("name", run),
            "data_hash": said.get("data_hash", file.get("hash", "")),
            "num_rows": said.get("num_rows", file.get("rows") or 0),
            "description": said.get("description", "-"),
        }
        return pd.DataFrame([row])

    def get_inference_metrics(self, capture_name: str = "default") -> Any:
        return self.table(f"runs/{self._run(capture_name)}/metrics")

    def get_inference_predictions(self, capture_name: str = "default") -> Any:
        if self.model_type not in PREDICTING:
            return None
        return self.table(f"runs/{self._run(capture_name)}/predictions")

    def confusion_matrix(self, capture_name: str = "default") -> Any:
        return self.table(f"runs/{self._run(capture_name)}/confusion_matrix")

    # SHAP.

    def shap_importance(self) -> list[tuple[str, float]] | None:
        if self.file("shap_importance") is None:
            return None
        said = json.loads(source().content(self.KIND, self.name, "shap_importance"))
        pairs = said.items() if isinstance(said, dict) else said
        return sorted(((str(name), float(score)) for name, score in pairs), key=lambda pair: -pair[1])

    def shap_values(self) -> Any:
        if self.file("shap_values") is not None:
            return self.table("shap_values")
        roles = [file["role"] for file in self.record().get("files", []) if file["role"].startswith("shap_values/")]
        return {role.partition("/")[2]: self.table(role) for role in roles} or None

    def shap_feature_values(self) -> Any:
        return self.table("shap_feature_values")

    # In words.

    def summary(self) -> dict[str, Any]:
        return {**super().summary(), "hyperparameters": self.hyperparameters()}

    def details(self) -> dict[str, Any]:
        record = self.record()
        details = self.summary()
        details.update(
            pipeline=self.fact("pipeline"),
            model_type=self.model_type.value,
            model_package_group_arn=self.arn(),
            model_package_arn=f"{self.arn()}/{record.get('version', 0)}",
            description=record.get("description") or "-",
            version=record.get("version", 0),
            status=self.get_status(),
            approval_status=self.fact("approval_status", "Approved"),
            image=self.fact("image", "-"),
            hyperparameters=self.hyperparameters(),
            framework=self.model_framework.value,
            framework_version=self.fact("framework_version", "unknown"),
            inference_types=self.fact("inference_types", []),
            transform_types=self.fact("transform_types", []),
            content_types=self.fact("content_types", ["text/csv"]),
            response_types=self.fact("response_types", ["text/csv"]),
            inference_meta=self.get_inference_metadata(),
        )
        return details


def _member(kind: Any, word: Any) -> Any:
    try:
        return kind(str(word).lower())
    except ValueError:
        return kind.UNKNOWN
