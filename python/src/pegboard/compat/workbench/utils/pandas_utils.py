"""Small work on frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

__all__ = ["compute_confusion", "dataframe_delta", "max_proba", "proba_to_conf", "subplot_positions"]


def dataframe_delta(func: Callable[..., Any], previous_hash: str | None) -> tuple[Any, str]:
    """What the function gives when it differs from what had this hash, else None; and the hash."""
    import pandas as pd

    frame = func()
    digest = hashlib.md5(",".join(map(str, frame.columns)).encode(), usedforsecurity=False)
    digest.update(pd.util.hash_pandas_object(frame.astype(str)).to_numpy().tobytes())
    current = digest.hexdigest()
    return (None, current) if current == previous_hash else (frame, current)


def _probabilities(frame: Any) -> Any:
    return frame[[name for name in frame.columns if str(name).endswith("_proba")]]


def max_proba(frame: Any) -> Any:
    """The greatest of the columns that end in `_proba`."""
    return _probabilities(frame).max(axis=1)


def proba_to_conf(frame: Any) -> Any:
    """Confidence from 0 (all classes alike) to 1 (one class sure)."""
    found = _probabilities(frame)
    chance = 1 / max(found.shape[1], 1)
    return ((found.max(axis=1) - chance) / (1 - chance)).clip(0, 1) if found.shape[1] > 1 else found.max(axis=1)


def compute_confusion(df: Any, n_classes: int | None = None) -> Any:
    """Adds the column `confusion`: 0 for a sure hit, 1 for a miss by all classes that was sure. Needs `residual` and `confidence`.

    Each step of the residual has its own part of the range: a hit is higher in it the less sure it is, a miss the surer it is.
    """
    if "residual" in df.columns and "confidence" in df.columns:
        labels = [name for name in df.columns if str(name).endswith("_proba") and name != "max_proba"]
        classes = max(2, len(labels) if n_classes is None else n_classes)
        df["confusion"] = (df["residual"] + df["confidence"].where(df["residual"] != 0, 1 - df["confidence"])) / classes
    return df


def subplot_positions(df: Any, num_columns: int = 4) -> list[tuple[int, int]]:
    """Row and column, from 1, of one plot per column of the frame."""
    return [(index // num_columns + 1, index % num_columns + 1) for index in range(df.shape[1])]
