"""Grid, data, scores and settings, each alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pegboard_example_models.data import prepare_dataset, raw_table
from pegboard_example_models.models import LARGEST_GRID, Candidate, build_model, fit_model, make_grid
from pegboard_example_models.publishing import explained, judged
from pegboard_example_models.scores import Evaluation, best_of_each, evaluate_model
from pegboard_example_models.settings import Settings


def candidate(name: str = "wine-01", model: str = "nearest_neighbours", dataset: str = "wine") -> Candidate:
    return Candidate(name=name, dataset=dataset, model=model, parameters={}, seed=1)


def evaluation(name: str, f1: float, accuracy: float, seconds: float) -> Evaluation:
    return Evaluation(
        candidate=candidate(name), key=name, seconds=seconds, accuracy=accuracy, f1=f1, confusion=np.zeros((3, 3), int)
    )


def test_a_small_grid_still_compares_all_models() -> None:
    assert len({point["model"] for point in make_grid(["wine"], 5, seed=1)}) == 5


def test_the_largest_grid_has_no_candidate_twice() -> None:
    points = make_grid(["digits", "wine"], LARGEST_GRID, seed=1)

    assert len({point["name"] for point in points}) == len(points) == 2 * LARGEST_GRID
    assert len({(p["dataset"], p["model"], str(p["parameters"])) for p in points}) == len(points)


def test_an_unknown_model_names_those_that_exist() -> None:
    with pytest.raises(ValueError, match="no model `oracle`; choose from logistic_regression"):
        build_model(candidate(model="oracle"))


def test_the_split_keeps_proportions_and_scales_by_the_training_part() -> None:
    data = prepare_dataset("wine", seed=3, test_share=0.25)

    assert data["train_features"].mean(axis=0) == pytest.approx(np.zeros(13), abs=1e-9)
    assert len(data["test_classes"]) == 45
    shares = [np.bincount(classes) / len(classes) for classes in (data["train_classes"], data["test_classes"])]
    assert shares[0] == pytest.approx(shares[1], abs=0.03)


def test_scores_agree_with_the_confusion_matrix() -> None:
    data = prepare_dataset("wine", seed=3, test_share=0.25)
    model, seconds = fit_model(candidate(), data)

    scored = evaluate_model(model, candidate(), "key", seconds, data)

    assert scored["confusion"].sum() == len(data["test_classes"])
    assert scored["accuracy"] == pytest.approx(np.trace(scored["confusion"]) / scored["confusion"].sum())


def test_time_does_not_decide() -> None:
    slow, fast = evaluation("a", 0.9, 0.9, seconds=9.0), evaluation("b", 0.9, 0.9, seconds=0.1)

    assert best_of_each([fast, slow])["wine"]["key"] == "a"
    assert best_of_each([slow, evaluation("c", 0.9, 0.95, seconds=1.0)])["wine"]["key"] == "c"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"grid_size": 0}, "`grid_size` must be between 1 and"),
        ({"grid_size": "many"}, "`grid_size` must be a number, got 'many'"),
        ({"seed": -1}, "`seed` must not be negative"),
        ({"test_share": 1.0}, "`test_share` must be between 0 and 1"),
        ({"datasets": []}, "`datasets` is empty"),
        ({"datasets": "wine,iris"}, "no data set `iris`; choose from digits, wine"),
    ],
    ids=str,
)
def test_bad_settings_say_what_is_wrong(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings.read(given, {})


@pytest.mark.parametrize("model", ["logistic_regression", "support_vectors"])
def test_what_is_published_agrees_with_itself(model: str) -> None:
    prepared = prepare_dataset("wine", seed=1, test_share=0.3)
    fitted, _ = fit_model(candidate(model=model), prepared)
    found = judged(fitted, prepared["test_features"], prepared["test_classes"], prepared["labels"])

    right = sum(row["class"] == row["prediction"] for row in found["predictions"])
    assert right == sum(row[row["labels"]] for row in found["confusion"])
    assert [row["class"] for row in found["metrics"]] == [*prepared["labels"], "all"]
    assert found["metrics"][-1]["support"] == len(found["predictions"]) == len(prepared["test_rows"])
    for row in found["predictions"]:
        shares = [row[f"{label}_proba"] for label in prepared["labels"]]
        assert sum(shares) == pytest.approx(1) and row["confidence"] == max(shares)


def test_the_table_of_a_data_set_has_its_rows() -> None:
    columns, rows = raw_table("wine")
    prepared = prepare_dataset("wine", seed=1, test_share=0.3)

    assert len(columns) == 13 and set(rows[0]) == {"id", "class", *columns}
    for place, label in zip(prepared["test_rows"].tolist(), prepared["test_classes"].tolist(), strict=True):
        assert rows[place]["class"] == prepared["labels"][label]


def test_a_linear_model_is_explained_exactly() -> None:
    prepared = prepare_dataset("wine", seed=1, test_share=0.3)
    columns, _ = raw_table("wine")
    fitted, _ = fit_model(candidate(model="logistic_regression"), prepared)
    found = explained(fitted, prepared, columns)

    # What the values of a row add up to is how far its score is from that of the mean row.
    scores = fitted.decision_function(prepared["test_features"])
    base = fitted.decision_function(prepared["train_features"].mean(axis=0, keepdims=True))[0]
    for place, label in enumerate(prepared["labels"]):
        sums = [sum(row[column] for column in columns) for row in found["shap_values"][label]]
        assert sums == pytest.approx(list(scores[:, place] - base[place]))
    assert [name for name, _ in found["shap_importance"]] != columns
    assert explained(fit_model(candidate(), prepared)[0], prepared, columns) == {}
