"""Times as text."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

__all__ = ["convert_all_to_iso8601", "datetime_string", "datetime_to_iso8601", "iso8601_to_datetime"]


def datetime_string(when: Any) -> str:
    return "-" if when is None or when == "-" else f"{when:%Y-%m-%d %H:%M}"


def datetime_to_iso8601(when: datetime | date) -> str:
    moment = when if isinstance(when, datetime) else datetime(when.year, when.month, when.day)
    moment = moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def iso8601_to_datetime(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def to_the_minute(value: Any) -> Any:
    """A time as the catalog or a frame tells it, for people; anything else as it is."""
    if isinstance(value, datetime):
        value = datetime_to_iso8601(value)
    is_time = isinstance(value, str) and value[10:11] == "T" and value.endswith("Z")
    return f"{value[:10]} {value[11:16]} UTC" if is_time else value


def convert_all_to_iso8601(frame: Any) -> Any:
    for name in frame.select_dtypes(include=["datetime", "datetimetz"]).columns:
        frame[name] = frame[name].map(datetime_to_iso8601)
    return frame
