"""A chemical compound. Its picture needs rdkit in the plugin's environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Compound"]


@dataclass
class Compound:
    id: str
    smiles: str | None = None
    tags: list[str] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)

    def details(self) -> dict[str, Any]:
        return {"id": self.id, "smiles": self.smiles, "tags": self.tags, **self.meta}

    def image(self, width: int = 300, height: int = 200) -> str:
        """An SVG as a data URI."""
        from ..utils.chem_utils.vis import svg_from_smiles

        return svg_from_smiles(self.smiles or "", width, height)

    def add_tag(self, tag: str) -> None:
        if tag not in self.tags:
            self.tags.append(tag)

    def add_meta(self, key: str, value: Any) -> None:
        self.meta[key] = value
