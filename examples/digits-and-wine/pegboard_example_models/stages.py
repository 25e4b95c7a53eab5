"""The stages that `workflows/train.yaml` joins, and two light ones that triggers run.

    grid ────┐
    prepare ─┼─> train (per candidate) ─> evaluate (per model) ─> choose ─> publish
             └────────────────────────────────^─────────────────────────────^

Arrays pass between stages as values: each stage's return value is an argument of those behind it. Fitted models pass
through the object store, where another run or workflow can find the best ones under `best-<data set>`: `report` and `check` do.
"""

from __future__ import annotations

from typing import Any, TypedDict

from flowdapt.compute import object_store
from flowdapt.compute.resources.workflow.context import get_run_context
from flowdapt.lib.logger import get_logger

from .data import Prepared, prepare_dataset
from .models import Candidate, Model, fit_model, make_grid
from .publishing import has_catalog, publish_dataset
from .scores import Evaluation, best_of_each, evaluate_model, score_model, table_of
from .settings import Settings

__all__ = ["check", "choose", "evaluate", "grid", "prepare", "publish", "report", "train"]

logger = get_logger(__name__)


class Trained(TypedDict):
    """Where a fitted model lies."""

    candidate: Candidate
    key: str
    seconds: float


def grid() -> list[Candidate]:
    """Every candidate: data set, model, hyper-parameters."""
    settings = _settings()
    candidates = make_grid(settings.datasets, settings.grid_size, settings.seed)
    logger.info(f"{len(candidates)} candidates on {', '.join(settings.datasets)}", seed=settings.seed)
    return candidates


def prepare() -> dict[str, Prepared]:
    """Loads, splits and standardises each data set."""
    settings = _settings()
    prepared = {name: prepare_dataset(name, settings.seed, settings.test_share) for name in settings.datasets}
    for name, data in prepared.items():
        train_rows, columns = data["train_features"].shape
        logger.info(
            f"{name}: {train_rows} rows to train on, {len(data['test_classes'])} held out, {columns} columns, "
            f"{len(data['labels'])} classes"
        )
    return prepared


def train(candidate: Candidate, prepared: dict[str, Prepared]) -> Trained:
    """Fits one candidate and stores the model."""
    model, seconds = fit_model(candidate, prepared[candidate["dataset"]])
    key = f"model-{get_run_context().run.uid}-{candidate['name']}"
    object_store.put(key, model)
    logger.info(f"fitted {candidate['name']} {candidate['parameters']} in {seconds:.2f} s")
    return Trained(candidate=candidate, key=key, seconds=seconds)


def evaluate(trained: Trained, prepared: dict[str, Prepared]) -> Evaluation:
    """Scores one model on the held-out rows."""
    candidate = trained["candidate"]
    model = object_store.get(trained["key"])
    evaluation = evaluate_model(model, candidate, trained["key"], trained["seconds"], prepared[candidate["dataset"]])
    logger.info(f"{candidate['name']}: accuracy {evaluation['accuracy']:.4f}, macro F1 {evaluation['f1']:.4f}")
    return evaluation


def choose(evaluations: list[Evaluation]) -> dict[str, Any]:
    """Keeps the best model of each data set under `best-<data set>` and removes the others."""
    if not evaluations:
        raise RuntimeError("no model could be trained; the log of `train` says why")
    best = best_of_each(evaluations)
    for dataset, evaluation in best.items():
        object_store.put(f"best-{dataset}", object_store.get(evaluation["key"]))
    for evaluation in evaluations:
        object_store.delete(evaluation["key"])

    chosen: dict[str, Any] = {}
    for row in table_of(best.values()):
        dataset = row["dataset"]
        chosen[dataset] = {**row, "key": f"best-{dataset}", "confusion": best[dataset]["confusion"].tolist()}
        logger.info(f"best on {dataset}: {row['model']} {row['parameters']}, macro F1 {row['f1']:.4f}")
    return {"table": table_of(evaluations), "best": chosen}


def publish(chosen: dict[str, Any], prepared: dict[str, Prepared]) -> dict[str, Any]:
    """Puts data, features and the best models into the server's catalog, where the dashboard shows them. Returns its argument."""
    if not has_catalog():
        logger.info("no catalog here, so nothing is published")
        return chosen
    for dataset, best in chosen["best"].items():
        names = publish_dataset(dataset, best, object_store.get(best["key"]), prepared[dataset])
        logger.info(f"published {', '.join(names)}")
    return chosen


def report() -> dict[str, Any]:
    """What the last training kept: class, number of columns and classes of each model."""
    table = [
        {
            "dataset": dataset,
            "model": type(model).__name__,
            "columns": int(model.n_features_in_),
            "classes": len(model.classes_),
        }
        for dataset, model in _kept_models(_settings()).items()
    ]
    for row in table:
        logger.info(f"{row['dataset']}: {row['model']} for {row['columns']} columns and {row['classes']} classes")
    return {"table": table}


def check() -> dict[str, Any]:
    """Scores the kept models again: cheap enough for every minute."""
    settings = _settings()
    table = []
    for dataset, model in _kept_models(settings).items():
        accuracy = score_model(model, prepare_dataset(dataset, settings.seed, settings.test_share))
        logger.info(f"{dataset}: accuracy {accuracy:.4f}")
        table.append({"dataset": dataset, "accuracy": round(accuracy, 4)})
    return {"table": table}


def _kept_models(settings: Settings) -> dict[str, Model]:
    """The best model of each data set, as far as there was a training."""
    kept = {name: object_store.get(f"best-{name}") for name in settings.datasets if object_store.exists(f"best-{name}")}
    if not kept:
        logger.info("no model is kept yet; run `train-models`")
    return kept


def _settings() -> Settings:
    context = get_run_context()
    return Settings.read(context.input, context.config)
