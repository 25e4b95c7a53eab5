"""Helpers for stages over frames. Column names starting with `%` are features, with `&` labels; `date` is the time.

Needs pandas and numpy at import.
"""

from __future__ import annotations

import datetime
import sys
import threading
import uuid
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np
import pandas as pd

from ..lib.logger import get_logger
from ..lib.utils.misc import dict_to_list_string

__all__ = [
    "artifact_name_from_dict",
    "dummy_pandas_df",
    "extract_features_and_labels",
    "find_features",
    "find_labels",
    "get_current_threads_all_procs",
    "get_data_frequency",
    "get_data_gap",
    "get_total_system_threads",
    "load_historical_data_from_feather",
    "merge_dataframes",
    "path_from_string",
    "remove_none_columns",
    "remove_rows_with_nans",
    "save_historical_data_to_feather",
    "shift_and_add_features",
    "string_to_uuid",
    "update_historic_data",
]

logger = get_logger(__name__)
DROPPED: Final = str.maketrans({**dict.fromkeys('\\/:*?"<>|%'), " ": "-", ".": "_"})


def find_features(df: pd.DataFrame) -> list[str]:
    return [name for name in df.columns if str(name).startswith("%")]


def find_labels(df: pd.DataFrame) -> list[str]:
    return [name for name in df.columns if str(name).startswith("&")]


def extract_features_and_labels(df: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The columns of each kind. An empty one is told as an error in the log."""
    features, labels = df[find_features(df)], df[find_labels(df)]
    for kind, frame in (("features", features), ("labels", labels)):
        if frame.empty:
            logger.error(f"the frame has no {kind}")
    return features, labels


def remove_rows_with_nans(df: pd.DataFrame) -> pd.DataFrame:
    kept = df.dropna()
    if len(kept) < len(df):
        logger.warning(f"dropped {len(df) - len(kept)} of {len(df)} rows with missing values")
    return kept


def remove_none_columns(df: pd.DataFrame, threshold: int = 40) -> pd.DataFrame:
    """Without the columns that miss more than `threshold` values, and those that miss all."""
    kept = df.loc[:, df.isna().sum() <= threshold]
    return kept.dropna(axis=1, how="all")


def shift_and_add_features(df: pd.DataFrame, shifts: int, cols: Any) -> pd.DataFrame:
    """Appends the columns as they were 1 to `shifts - 1` rows before."""
    names = list(cols)
    return pd.concat([df, *(df[names].shift(step).add_suffix(f"_shift-{step}") for step in range(1, shifts))], axis=1)


def get_data_frequency(df: pd.DataFrame) -> Any:
    """Time between the last two rows."""
    return df["date"].iloc[-1] - df["date"].iloc[-2]


def get_data_gap(df: pd.DataFrame, tz: datetime.tzinfo | None = None) -> int:
    """Whole steps between the last row and now."""
    last = df["date"].iloc[-1]
    if tz is not None:
        last = last.tz_localize(tz) if last.tzinfo is None else last.tz_convert(tz)
    now = pd.Timestamp.now(tz=last.tzinfo)
    return int((now - last) / get_data_frequency(df))


def merge_dataframes(df: pd.DataFrame, df_inc: pd.DataFrame, prefer_new: bool = True) -> Any:
    """Old and new rows without overlap. For an empty `df_inc` the tuple `(False, 0)`."""
    if df_inc.empty:
        return False, 0
    old, new = df, df_inc
    if prefer_new:
        old = df[df["date"] < df_inc["date"].iloc[0]]
    else:
        new = df_inc[df_inc["date"] > df["date"].iloc[-1]]
    return pd.concat([old, new], ignore_index=True)


def artifact_name_from_dict(given: dict[str, Any]) -> str:
    """A name that an artifact can have, from the values that are true."""
    return quote(dict_to_list_string(given)[1]).translate(DROPPED)


def string_to_uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, text))


def path_from_string(text: str) -> Path:
    return Path(text.replace("_", "/"))


def dummy_pandas_df(rows: int, cols: int, withnans: bool = True) -> pd.DataFrame:
    """Random numbers; the last column is a label, the others are features."""
    values = np.random.default_rng().random((rows, cols))
    if withnans and rows and cols:
        values[np.random.default_rng().random((rows, cols)) < 0.05] = np.nan
    return pd.DataFrame(values, columns=[*(f"%-{index}" for index in range(cols - 1)), "&-a"][:cols] if cols else [])


def save_historical_data_to_feather(df: pd.DataFrame, metadata: dict[str, Any], base_path: str | Path = "") -> Path:
    """Writes a frame where its metadata says; the path. Needs pyarrow."""
    path = _feather(metadata, base_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    df.reset_index(drop=True).to_feather(path)
    return path


def load_historical_data_from_feather(metadata: dict[str, Any], base_path: str | Path = "") -> pd.DataFrame:
    """The frame that was saved with this metadata; an empty one when there is none."""
    path = _feather(metadata, base_path)
    return pd.read_feather(path) if path.exists() else pd.DataFrame()


def update_historic_data(df_inc: pd.DataFrame, metadata: dict[str, Any], base_path: str | Path = "") -> pd.DataFrame:
    """Adds rows to what was saved with this metadata, saves it again and gives it back."""
    before = load_historical_data_from_feather(metadata, base_path)
    if df_inc.empty:
        return before
    merged: pd.DataFrame = df_inc if before.empty else merge_dataframes(before, df_inc)
    save_historical_data_to_feather(merged, metadata, base_path)
    return merged


def _feather(metadata: dict[str, Any], base_path: str | Path) -> Path:
    return Path(base_path) / path_from_string(artifact_name_from_dict(metadata)).with_suffix(".feather")


def get_current_threads_all_procs() -> int:
    """Threads of all processes that this user may see; of this process alone where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return threading.active_count()
    total = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                total += sum(1 for _ in (entry / "task").iterdir())
            except OSError:
                continue
    return total


def get_total_system_threads() -> int:
    """How many threads the system allows; 0 where it does not tell."""
    try:
        return int(Path("/proc/sys/kernel/threads-max").read_text())
    except (OSError, ValueError):
        return 0
