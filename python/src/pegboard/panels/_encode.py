"""JSON text by Dash's own encoder, put together without encoding twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dash._utils import to_json

__all__ = ["NO_UPDATE", "joined", "object_of", "text_of"]

NO_UPDATE = '{"_dash_no_update":"_dash_no_update"}'


def text_of(value: Any) -> str:
    """What the browser gets. `TypeError` for what JSON cannot say."""
    text = to_json(value)
    assert isinstance(text, str)
    return text


def joined(texts: Iterable[str]) -> str:
    return f"[{','.join(texts)}]"


def object_of(**texts: str | Any) -> bytes:
    """An object; values that end in `_json` are JSON text already and lose the ending."""
    members = []
    for name, value in texts.items():
        if name.endswith("_json"):
            members.append(f"{json.dumps(name.removesuffix('_json'))}:{value}")
        else:
            members.append(f"{json.dumps(name)}:{json.dumps(value, allow_nan=False, default=str)}")
    return ("{" + ",".join(members) + "}").encode()
