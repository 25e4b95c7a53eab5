"""A catalog that has nothing: files are checked without a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pegboard.catalog import KINDS, Catalog, CatalogError

__all__ = ["EmptyCatalog"]


class EmptyCatalog(Catalog):
    """Lists are empty, and there is no artifact of any name."""

    def _ask(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        if method == "GET" and path.removeprefix("catalog/") in KINDS:
            return {"artifacts": [], "next": None}
        self._bytes(method, path)

    def _bytes(self, method: str, path: str, *rest: Any, **more: Any) -> NoReturn:
        raise CatalogError("artifact-not-found", f"a check has no catalog, so there is no `{path}`")
