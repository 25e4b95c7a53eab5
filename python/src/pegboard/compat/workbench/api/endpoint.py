"""An endpoint."""

from __future__ import annotations

from ..core.artifacts.endpoint_core import EndpointCore

__all__ = ["Endpoint"]


class Endpoint(EndpointCore):
    """As plugins make one by its name."""
