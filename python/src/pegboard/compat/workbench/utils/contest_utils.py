"""Contests between models: which one answers, which ones would like to."""

from __future__ import annotations

from typing import Any

__all__ = ["contest_endpoints", "contest_report", "metric_deltas"]


def contest_endpoints() -> list[str]:
    """Endpoints with a report below `/contests`."""
    from ..api.df_store import DFStore

    return [location.strip("/") for location in DFStore("/contests").list()]


def contest_report(endpoint: str) -> Any:
    """The report of an endpoint, the champion first; None when there is none."""
    from ..api.df_store import DFStore

    store = DFStore("/contests")
    return store.get(endpoint) if store.check(endpoint) else None


def metric_deltas(report: Any, metrics: list[str]) -> Any:
    """Adds `Δ<metric>`: what each model has more than the champion."""
    champion = report[report["role"] == "champion"]
    for metric in metrics:
        if metric in report.columns and len(champion):
            report[f"Δ{metric}"] = report[metric] - champion[metric].iloc[0]
    return report
