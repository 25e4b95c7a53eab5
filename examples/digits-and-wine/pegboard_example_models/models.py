"""The grid: which models with which hyper-parameters, and how one of them is fitted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, Final, TypedDict

from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from .data import Prepared

__all__ = ["LARGEST_GRID", "Candidate", "Model", "build_model", "fit_model", "make_grid"]

Model = Any  # a fitted scikit-learn classifier; the library has no types


class Candidate(TypedDict):
    """One point of the grid."""

    name: str
    dataset: str
    model: str
    parameters: dict[str, Any]
    seed: int


_BUILDERS: Final[dict[str, Callable[[int, dict[str, Any]], Model]]] = {
    "logistic_regression": lambda seed, given: LogisticRegression(max_iter=2000, random_state=seed, **given),
    "support_vectors": lambda seed, given: SVC(random_state=seed, **given),
    "random_forest": lambda seed, given: RandomForestClassifier(random_state=seed, n_jobs=1, **given),
    "nearest_neighbours": lambda seed, given: KNeighborsClassifier(n_jobs=1, **given),
    "gradient_boosting": lambda seed, given: GradientBoostingClassifier(
        random_state=seed, max_features="sqrt", subsample=0.7, **given
    ),
}

_PARAMETERS: Final[dict[str, list[dict[str, Any]]]] = {
    "logistic_regression": [{"C": 1.0}, {"C": 0.1}, {"C": 0.01}],
    "support_vectors": [{"C": 1.0, "kernel": "rbf"}, {"C": 10.0, "kernel": "rbf"}, {"C": 1.0, "kernel": "linear"}],
    "random_forest": [{"n_estimators": 60}, {"n_estimators": 160, "max_depth": 12}],
    "nearest_neighbours": [{"n_neighbors": 3}, {"n_neighbors": 9, "weights": "distance"}],
    "gradient_boosting": [{"n_estimators": 25, "max_depth": 3}, {"n_estimators": 50, "max_depth": 2}],
}

LARGEST_GRID: Final = sum(len(choices) for choices in _PARAMETERS.values())


def make_grid(datasets: Sequence[str], size: int, seed: int) -> list[Candidate]:
    """`size` candidates for each data set. The models take turns, so that a small grid still compares all of them."""
    rounds = zip_longest(*([(model, given) for given in choices] for model, choices in _PARAMETERS.items()))
    points = [point for turn in rounds for point in turn if point is not None][:size]
    return [
        Candidate(name=f"{dataset}-{number:02d}-{model}", dataset=dataset, model=model, parameters=dict(given), seed=seed)
        for dataset in datasets
        for number, (model, given) in enumerate(points, start=1)
    ]


def build_model(candidate: Candidate) -> Model:
    """The classifier that a candidate describes, not fitted."""
    try:
        builder = _BUILDERS[candidate["model"]]
    except KeyError:
        raise ValueError(f"there is no model `{candidate['model']}`; choose from {', '.join(_BUILDERS)}") from None
    return builder(candidate["seed"], candidate["parameters"])


def fit_model(candidate: Candidate, prepared: Prepared) -> tuple[Model, float]:
    """A fitted model and the seconds that it took. On one thread: the grid is what runs in parallel."""
    model = build_model(candidate)
    with threadpool_limits(limits=1):
        begin = time.perf_counter()
        model.fit(prepared["train_features"], prepared["train_classes"])
        return model, time.perf_counter() - begin
