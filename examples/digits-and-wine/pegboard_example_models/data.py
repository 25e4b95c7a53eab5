"""The data: loaded, split, standardised. Nothing is downloaded; both sets are files of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

__all__ = ["LOADERS", "Prepared", "prepare_dataset", "raw_table"]

LOADERS: Final[dict[str, Callable[..., Any]]] = {"digits": load_digits, "wine": load_wine}


class Prepared(TypedDict):
    """One data set, ready to train on. A plain dictionary: the other side may have another version of this module."""

    dataset: str
    labels: list[str]
    train_features: NDArray[np.float64]
    train_classes: NDArray[np.int64]
    test_features: NDArray[np.float64]
    test_classes: NDArray[np.int64]
    test_rows: NDArray[np.int64]
    """Where the held-out rows stand in the data set."""


def prepare_dataset(name: str, seed: int, test_share: float) -> Prepared:
    """Splits with the classes in proportion, and scales by the training part alone, so that nothing leaks."""
    bunch = LOADERS[name]()
    train_features, test_features, train_classes, test_classes, _, test_rows = train_test_split(
        bunch.data, bunch.target, np.arange(len(bunch.target)), test_size=test_share, random_state=seed, stratify=bunch.target
    )
    scaler = StandardScaler().fit(train_features)
    return Prepared(
        dataset=name,
        labels=[str(label) for label in bunch.target_names],
        train_features=np.ascontiguousarray(scaler.transform(train_features)),
        train_classes=np.ascontiguousarray(train_classes, dtype=np.int64),
        test_features=np.ascontiguousarray(scaler.transform(test_features)),
        test_classes=np.ascontiguousarray(test_classes, dtype=np.int64),
        test_rows=np.ascontiguousarray(test_rows, dtype=np.int64),
    )


def raw_table(name: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Names of the columns with numbers, and all rows as they come, with `id` and `class`."""
    bunch = LOADERS[name]()
    columns = [str(column) for column in bunch.feature_names]
    labels = [str(label) for label in bunch.target_names]
    rows = [
        {"id": number, **dict(zip(columns, values, strict=True)), "class": labels[label]}
        for number, (values, label) in enumerate(zip(bunch.data.tolist(), bunch.target.tolist(), strict=True))
    ]
    return columns, rows
