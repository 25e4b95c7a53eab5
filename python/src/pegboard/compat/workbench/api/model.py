"""A model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.artifacts.model_core import ModelCore, ModelFramework, ModelType

if TYPE_CHECKING:
    from .endpoint import Endpoint

__all__ = ["Model", "ModelFramework", "ModelType"]


class Model(ModelCore):
    """As plugins make one by its name."""

    def endpoint(self) -> Endpoint | None:
        """The first of its endpoints."""
        from .endpoint import Endpoint

        names = self.endpoints()
        return Endpoint(names[0]) if names else None
