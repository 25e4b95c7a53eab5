"""Small work for dashboards."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["deserialize_aws_broker_data", "serialize_aws_broker_data"]


def serialize_aws_broker_data(data: Any) -> str:
    return json.dumps(data, default=str)


def deserialize_aws_broker_data(text: str) -> Any:
    return json.loads(text)
