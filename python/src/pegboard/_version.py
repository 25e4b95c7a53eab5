"""The distribution's version, its only source. Not the protocol's version: see `_messages.PROTOCOL`."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
