"""The distribution's version, its only source. Not the protocol's version: see `_messages.PROTOCOL`."""

from __future__ import annotations

# Without an annotation: the build backend reads this line.
__version__ = "0.1.0"
