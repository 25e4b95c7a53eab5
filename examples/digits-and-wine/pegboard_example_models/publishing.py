"""What a training leaves in the catalog: the data, the features, and the best model with its predictions and metrics."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score
from threadpoolctl import threadpool_limits

from .data import Prepared, raw_table
from .models import Model

__all__ = ["explained", "has_catalog", "judged", "publish_dataset"]

OWNER = "digits-and-wine"


def has_catalog() -> bool:
    """Whether the process belongs to a server that has one."""
    return bool(os.environ.get("PEGBOARD_URL"))


def publish_dataset(dataset: str, best: dict[str, Any], model: Model, prepared: Prepared) -> list[str]:
    """Publishes what belongs to one data set; the names of it."""
    from pegboard.catalog import RunResults, catalog

    source, features, classifier = f"{dataset}_data", f"{dataset}_features", f"{dataset}-classifier"
    columns, rows = raw_table(dataset)
    words = {"owner": OWNER, "tags": [dataset, "example"]}
    catalog.publish_data_source(source, rows, description=f"{dataset} of scikit-learn, as it comes", **words)
    named = zip(
        prepared["test_rows"].tolist(), prepared["test_features"].tolist(), prepared["test_classes"].tolist(), strict=True
    )
    scaled = [
        {"id": row, **dict(zip(columns, values, strict=True)), "class": prepared["labels"][label]} for row, values, label in named
    ]
    catalog.publish_feature_set(
        features, scaled, id_column="id", inputs=[f"data_source:{source}"], description="Held-out rows, standardised", **words
    )
    held_out = judged(model, prepared["test_features"], prepared["test_classes"], prepared["labels"])
    training = judged(model, prepared["train_features"], prepared["train_classes"], prepared["labels"])
    predictions = [{"id": row, **each} for row, each in zip(prepared["test_rows"].tolist(), held_out["predictions"], strict=True)]
    catalog.publish_model(
        classifier,
        model_type="classifier",
        framework="sklearn",
        target="class",
        features=columns,
        class_labels=prepared["labels"],
        hyperparameters={"model": best["model"], **best["parameters"]},
        runs={
            "test_inference": RunResults(
                predictions, held_out["metrics"], held_out["confusion"], "Rows that the model has not seen"
            ),
            "model_training": RunResults(None, training["metrics"], training["confusion"], "Rows that it was trained on"),
        },
        inputs=[f"feature_set:{features}"],
        **explained(model, prepared, columns),
        description=f"Best of the grid on {dataset}: {best['model']}",
        **words,
    )
    return [source, features, classifier]


def explained(model: Model, prepared: Prepared, columns: list[str]) -> dict[str, Any]:
    """SHAP values of the held-out rows, by class. A linear model's are exact: weight times distance from the mean."""
    if not isinstance(model, LogisticRegression) or len(model.coef_) != len(prepared["labels"]):
        return {}
    features, rows = prepared["test_features"], prepared["test_rows"].tolist()
    distances = features - prepared["train_features"].mean(axis=0)
    values = distances[None, :, :] * model.coef_[:, None, :]
    mean = np.abs(values).mean(axis=(0, 1))

    def table(numbers: NDArray[np.float64]) -> list[dict[str, Any]]:
        return [{"id": row, **dict(zip(columns, each, strict=True))} for row, each in zip(rows, numbers.tolist(), strict=True)]

    return {
        "shap_importance": sorted(zip(columns, mean.tolist(), strict=True), key=lambda pair: -pair[1]),
        "shap_values": {label: table(each) for label, each in zip(prepared["labels"], values, strict=True)},
        "shap_feature_values": table(features),
    }


def judged(model: Model, features: NDArray[np.float64], truth: NDArray[np.int64], labels: list[str]) -> dict[str, Any]:
    """Tables of predictions, of metrics by class with a last row `all`, and of the confusion matrix, true class by row."""
    with threadpool_limits(limits=1):
        shares = _shares(model, features)
    predicted = shares.argmax(axis=1)
    places = np.arange(len(labels))
    each = np.array(precision_recall_fscore_support(truth, predicted, labels=places, zero_division=0.0))
    areas = [float(roc_auc_score(truth == place, shares[:, place])) for place in places]
    rows = [
        {"class": label, "precision": scores[0], "recall": scores[1], "f1": scores[2], "roc_auc": area, "support": int(scores[3])}
        for label, scores, area in zip(labels, each.T.tolist(), areas, strict=True)
    ]
    mean = {name: float(np.mean([row[name] for row in rows])) for name in ("precision", "recall", "f1", "roc_auc")}
    counts = confusion_matrix(truth, predicted, labels=places).tolist()
    return {
        "predictions": [
            {
                "class": labels[right],
                "prediction": labels[said],
                "confidence": share[said],
                **{f"{label}_proba": value for label, value in zip(labels, share, strict=True)},
            }
            for right, said, share in zip(truth.tolist(), predicted.tolist(), shares.tolist(), strict=True)
        ],
        "metrics": [*rows, {"class": "all", **mean, "support": len(truth)}],
        "confusion": [
            {"labels": label, **dict(zip(labels, row, strict=True))} for label, row in zip(labels, counts, strict=True)
        ],
    }


def _shares(model: Model, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of each class; of models without any, what their scores say of it."""
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(features))
    scores = np.asarray(model.decision_function(features))
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
