"""What the server asks a dashboard worker: load a plugin file, update a panel, answer a callback.

Each function takes one JSON object and answers with JSON text as bytes (`docs/dashboard-protocol.md`). None raises because of a
plugin. Dash, plotly and the package `workbench` are imported when the first function is called, not with this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pegboard.panels._worker import PanelWorker

__all__ = ["callback", "check", "host", "layout", "load", "set_theme", "update"]


def load(asked: dict[str, Any]) -> bytes:
    """Loads the one file of this process: its panels, views or pages, their callbacks and what is wrong with them."""
    return _own_worker().load(asked)


def update(asked: dict[str, Any]) -> bytes:
    """One value per property of a panel, for an artifact of the catalog."""
    return _own_worker().update(asked)


def set_theme(asked: dict[str, Any]) -> bytes:
    """One value per property of a panel, in another theme."""
    return _own_worker().set_theme(asked)


def callback(asked: dict[str, Any]) -> bytes:
    """The answer to what a browser posts."""
    return _own_worker().callback(asked)


def layout(asked: dict[str, Any]) -> bytes:
    """The layout of a page that makes it anew for each visitor."""
    return _own_worker().layout(asked)


def check(asked: dict[str, Any]) -> bytes:
    """What is wrong with a file, with lines and remedies."""
    return _own_worker().check(asked)


def host(asked: dict[str, Any]) -> bytes:
    """Scripts, style sheets and files of the component libraries, and the themes."""
    from pegboard.panels._libraries import served

    return served(asked)


_MADE: list[PanelWorker] = []


def _own_worker() -> PanelWorker:
    from pegboard.panels._worker import PanelWorker

    if not _MADE:
        _MADE.append(PanelWorker())
    return _MADE[0]
