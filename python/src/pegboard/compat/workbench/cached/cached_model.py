"""A model whose answers are kept. Predictions are thinned out and have their residuals."""

from __future__ import annotations

from typing import Any

from ..core.artifacts.model_core import PREDICTING, ModelCore, ModelType
from .cached_artifact_mixin import CachedArtifactMixin

__all__ = ["CachedModel"]


class _Predicting(ModelCore):
    def get_inference_predictions(self, capture_name: str = "default", target_rows: int = 50_000) -> Any:
        if self.model_type not in PREDICTING:
            return None
        frame = self.table(f"runs/{self._run(capture_name)}/predictions", limit=target_rows)
        if frame is not None:
            self._add_residual(frame)
        return frame

    def _add_residual(self, frame: Any) -> None:
        target = self.target()
        if not isinstance(target, str) or target not in frame.columns or "prediction" not in frame.columns:
            return
        if self.model_type == ModelType.CLASSIFIER:
            labels = self.class_labels() or sorted(set(frame[target].astype(str)) | set(frame["prediction"].astype(str)))
            position = {str(label): index for index, label in enumerate(labels)}
            actual, predicted = (frame[name].astype(str).map(position) for name in (target, "prediction"))
            frame["residual"] = (actual - predicted).abs()
        else:
            frame["residual"] = (frame[target] - frame["prediction"]).abs()


class CachedModel(CachedArtifactMixin, _Predicting):
    CACHED = (
        "confusion_matrix",
        "get_inference_metadata",
        "get_inference_metrics",
        "get_inference_predictions",
        "list_inference_runs",
        "shap_feature_values",
        "shap_importance",
        "shap_values",
    )
