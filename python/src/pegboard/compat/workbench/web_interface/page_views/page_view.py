"""What a page shows, made anew when it is asked to."""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from typing import Any

__all__ = ["PageView", "View", "WebView"]

ISO = re.compile(r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")


class PageView(ABC):
    def __init__(self) -> None:
        self.log = logging.getLogger("workbench")

    @abstractmethod
    def refresh(self) -> None:
        """Reads what is shown."""

    @staticmethod
    def concise_timestamps(df: Any) -> Any:
        """Times as `YYYY-MM-DD HH:MM`, in place."""
        import pandas as pd

        for name in df.columns:
            column = df[name]
            if pd.api.types.is_datetime64_any_dtype(column):
                df[name] = column.dt.strftime("%Y-%m-%d %H:%M")
            elif pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column):
                texts = column.dropna().astype(str)
                if len(texts) and texts.str.match(ISO).mean() > 0.5:
                    times = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
                    df[name] = times.dt.strftime("%Y-%m-%d %H:%M").where(times.notna(), column)
        return df


# As they were called in former releases.
View = PageView
WebView = PageView
