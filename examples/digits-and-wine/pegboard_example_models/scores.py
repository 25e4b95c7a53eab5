"""How good a fitted model is on rows that it has not seen, and which one to keep."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from threadpoolctl import threadpool_limits

from .data import Prepared
from .models import Candidate, Model

__all__ = ["Evaluation", "best_of_each", "evaluate_model", "score_model", "table_of"]


class Evaluation(TypedDict):
    """What the held-out rows say about one candidate."""

    candidate: Candidate
    key: str
    seconds: float
    accuracy: float
    f1: float
    confusion: NDArray[np.int64]


def evaluate_model(model: Model, candidate: Candidate, key: str, seconds: float, prepared: Prepared) -> Evaluation:
    """Predicts the held-out rows. `f1` is the mean over the classes; `confusion` has the true class by row."""
    truth = prepared["test_classes"]
    with threadpool_limits(limits=1):
        predicted = model.predict(prepared["test_features"])
    return Evaluation(
        candidate=candidate,
        key=key,
        seconds=seconds,
        accuracy=float(accuracy_score(truth, predicted)),
        f1=float(f1_score(truth, predicted, average="macro")),
        confusion=confusion_matrix(truth, predicted, labels=np.arange(len(prepared["labels"]))),
    )


def score_model(model: Model, prepared: Prepared) -> float:
    """Accuracy on the held-out rows."""
    with threadpool_limits(limits=1):
        return float(accuracy_score(prepared["test_classes"], model.predict(prepared["test_features"])))


def best_of_each(evaluations: Iterable[Evaluation]) -> dict[str, Evaluation]:
    """The best candidate of each data set by F1, then accuracy, then name; never by time, which varies."""
    best: dict[str, Evaluation] = {}
    for evaluation in sorted(evaluations, key=_rank):
        best.setdefault(evaluation["candidate"]["dataset"], evaluation)
    return best


def table_of(evaluations: Iterable[Evaluation]) -> list[dict[str, Any]]:
    """A row per candidate, the best of each data set first."""
    ordered = sorted(evaluations, key=lambda evaluation: (evaluation["candidate"]["dataset"], _rank(evaluation)))
    return [
        {
            "dataset": evaluation["candidate"]["dataset"],
            "model": evaluation["candidate"]["model"],
            "parameters": evaluation["candidate"]["parameters"],
            "accuracy": round(evaluation["accuracy"], 4),
            "f1": round(evaluation["f1"], 4),
            "seconds": round(evaluation["seconds"], 3),
        }
        for evaluation in ordered
    ]


def _rank(evaluation: Evaluation) -> tuple[float, float, str]:
    return -evaluation["f1"], -evaluation["accuracy"], evaluation["candidate"]["name"]
