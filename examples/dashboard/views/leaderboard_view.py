"""What the page Leaderboard shows: a row per model and run, the best first."""

from __future__ import annotations

from typing import Any

import pandas as pd
from workbench.cached.cached_meta import CachedMeta
from workbench.cached.cached_model import CachedModel
from workbench.web_interface.page_views.page_view import PageView

# The metric by which models of a kind are compared, and whether less is better.
MAIN = (("f1", False), ("roc_auc", False), ("r2", False), ("rmse", True), ("mae", True))


class LeaderboardView(PageView):
    """`view_data` is a frame with the column `name`."""

    def __init__(self) -> None:
        super().__init__()
        self.refresh()

    def refresh(self) -> None:
        names = CachedMeta().models(details=True)["Model Group"]
        self.rows = ranked([row for name in names for row in rows_of(CachedModel(name))])

    def view_data(self) -> pd.DataFrame:
        return self.rows


def rows_of(model: Any) -> list[dict[str, Any]]:
    """One per run that has metrics; what a model was trained on says little about it."""
    rows = []
    for run in model.list_inference_runs():
        if run == "model_training":
            continue
        metrics = model.get_inference_metrics(run)
        metric, is_less = next(((name, less) for name, less in MAIN if metrics is not None and name in metrics), (None, False))
        if metric is None or metrics.empty:
            continue
        # Of a classifier, the last row is about all classes.
        value = float(metrics[metric].iloc[-1])
        row = {"Model": model.name, "Type": model.model_type.value, "Run": run, "Metric": metric, "Value": round(value, 4)}
        rows.append({**row, "name": model.name, "order": value if is_less else -value})
    return rows


def ranked(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The best of each type first."""
    columns = ["Model", "Type", "Run", "Metric", "Value", "name"]
    frame = pd.DataFrame(rows, columns=[*columns, "order"]).sort_values(["Type", "Metric", "order"], kind="stable")
    frame = frame[columns].reset_index(drop=True)
    frame["id"] = range(len(frame))
    return frame
