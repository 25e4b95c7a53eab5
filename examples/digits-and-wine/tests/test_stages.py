"""The workflow from end to end, stage by stage, as a server would call them."""

from __future__ import annotations

import json
import pickle
import re
from importlib import import_module
from importlib.resources import files
from typing import Any, TypeVar
from unittest.mock import ANY

import pytest
from conftest import FakeServer

from pegboard_example_models import stages

T = TypeVar("T")


def passed(value: T) -> T:
    """What the next process receives."""
    received: T = pickle.loads(pickle.dumps(value, protocol=5))
    return received


def run_workflow() -> dict[str, Any]:
    prepared = passed(stages.prepare())
    trained = [passed(stages.train(candidate, prepared)) for candidate in passed(stages.grid())]
    evaluations = [passed(stages.evaluate(one, prepared)) for one in trained]
    return stages.publish(passed(stages.choose(evaluations)), prepared)


def without_seconds(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in table]


def test_the_whole_grid_trains_and_the_best_is_kept(server: FakeServer) -> None:
    result = run_workflow()

    assert len(result["table"]) == 24
    assert set(result["best"]) == {"digits", "wine"}
    assert result["best"]["digits"]["f1"] > 0.95
    assert result["best"]["wine"]["f1"] > 0.9
    assert len(result["best"]["digits"]["confusion"]) == 10
    for dataset, best in result["best"].items():
        of_dataset = [row for row in result["table"] if row["dataset"] == dataset]
        assert best["f1"] == max(row["f1"] for row in of_dataset) == of_dataset[0]["f1"]
    json.dumps(result, allow_nan=False)


def test_only_the_best_models_stay_in_the_object_store(server: FakeServer) -> None:
    server.input = {"grid_size": 2, "datasets": ["wine"]}

    run_workflow()

    assert list(server.objects) == ["best-wine"]
    model = server.get("best-wine")
    rows = stages.prepare()["wine"]["test_features"]
    assert model.predict(rows).shape == (len(rows),)  # type: ignore[attr-defined]


def test_the_same_seed_gives_the_same_table(server: FakeServer) -> None:
    server.input = {"grid_size": 5, "datasets": "wine", "seed": "11"}
    first, second = run_workflow(), run_workflow()
    server.input["seed"] = 12
    other = run_workflow()

    assert without_seconds(first["table"]) == without_seconds(second["table"])
    assert first["best"]["wine"]["confusion"] != other["best"]["wine"]["confusion"]


def test_input_wins_over_config(server: FakeServer) -> None:
    server.config = {"grid_size": 3, "datasets": ["digits"]}
    server.input = {"grid_size": 1}

    assert [candidate["name"] for candidate in stages.grid()] == ["digits-01-logistic_regression"]


def test_progress_is_told_line_by_line(server: FakeServer) -> None:
    server.input = {"grid_size": 2, "datasets": ["wine"]}

    run_workflow()

    assert sum(line.startswith("fitted wine-") for line in server.log) == 2
    assert any(line.startswith("best on wine: ") for line in server.log)


def test_nothing_trained_is_said(server: FakeServer) -> None:
    with pytest.raises(RuntimeError, match="no model could be trained"):
        stages.choose([])


def test_kept_models_are_reported_and_scored_again(server: FakeServer) -> None:
    server.input = {"grid_size": 2, "datasets": ["wine"]}
    best = run_workflow()["best"]["wine"]

    assert stages.report() == {"table": [{"dataset": "wine", "model": ANY, "columns": 13, "classes": 3}]}
    assert stages.check() == {"table": [{"dataset": "wine", "accuracy": best["accuracy"]}]}


def test_before_the_first_training_nothing_is_reported(server: FakeServer) -> None:
    assert stages.report() == stages.check() == {"table": []}
    assert server.log == ["no model is kept yet; run `train-models`"] * 2


@pytest.mark.parametrize(("name", "count"), [("train", 6), ("report", 2)])
def test_every_target_of_the_workflows_exists(name: str, count: int) -> None:
    text = files("pegboard_example_models").joinpath(f"workflows/{name}.yaml").read_text(encoding="utf-8")
    targets = re.findall(r"^ +target: (.+)$", text, flags=re.MULTILINE)

    assert len(targets) == count
    for target in targets:
        module, _, name = target.rpartition(".")
        assert callable(getattr(import_module(module), name))
