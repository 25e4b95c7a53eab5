"""Themes: plotly templates, colours and style sheets. Figures follow the viewer, whose cookie says which theme is shown."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any, ClassVar

from .themes import BUILT_IN, plotly_json

__all__ = ["ThemeManager"]

log = logging.getLogger("workbench")
DARK_BASES = frozenset({"DARKLY", "CYBORG", "SLATE", "SOLAR", "SUPERHERO", "VAPOR"})
COOKIE = "wb_theme"
PARAMETER = "/workbench/dashboard/theme"
DEFAULT = "dark"


class ThemeManager:
    """All is kept on the class: every instance is the same."""

    log = log
    _lock: ClassVar[threading.Lock] = threading.Lock()
    _themes: ClassVar[dict[str, dict[str, Any]]] = {}
    _pinned: ClassVar[str | None] = None
    _default: ClassVar[str | None] = None

    def __init__(self) -> None:
        self._load()

    # Which theme.

    @classmethod
    def list_themes(cls) -> list[str]:
        return list(cls._load())

    @classmethod
    def current_theme(cls) -> str:
        if cls._pinned is not None:
            return cls._pinned
        try:
            from flask import has_request_context, request

            said = request.cookies.get(COOKIE) if has_request_context() else None
        except ImportError:
            said = None
        return said if said in cls._load() else cls._default_theme()

    @classmethod
    def set_theme(cls, theme_name: str) -> None:
        """Pins a theme for all viewers; `auto` lets each have his own again."""
        if theme_name == "auto":
            cls._pinned = None
        elif theme_name in cls._load():
            cls._pinned = theme_name
        else:
            log.error(f"Theme '{theme_name}' is not available, using '{cls._default_theme()}'")
            cls._pinned = cls._default_theme()

    @classmethod
    def _default_theme(cls) -> str:
        if cls._default is None:
            said = os.environ.get("WORKBENCH_THEME")
            if said is None and os.environ.get("PEGBOARD_URL"):
                from ..core.artifacts.artifact import source

                try:
                    said = source().parameter(PARAMETER)
                except Exception as error:
                    log.warning(f"the default theme cannot be looked up: {error}")
            cls._default = said if said in cls._load() else DEFAULT
        return cls._default

    # What it is.

    @classmethod
    def theme(cls) -> dict[str, Any]:
        found = cls._load()[cls.current_theme()]
        if found["plotly_template"] is None:
            import plotly.graph_objects as go

            # Files of other plotly versions know other traces.
            found["plotly_template"] = go.layout.Template(_known(found["template"]))
        return found

    @classmethod
    def current_template(cls) -> Any:
        return cls.theme()["plotly_template"]

    @classmethod
    def figure(cls, *args: Any, **kwargs: Any) -> Any:
        import plotly.graph_objects as go

        return cls.apply_template(go.Figure(*args, **kwargs))

    @classmethod
    def apply_template(cls, fig: Any) -> Any:
        fig.update_layout(template=cls.current_template())
        return fig

    @classmethod
    def dark_mode(cls) -> bool:
        return bool(cls.theme()["dark"])

    @classmethod
    def data_bs_theme(cls) -> str:
        return "dark" if cls.dark_mode() else "light"

    @classmethod
    def background(cls) -> str:
        from .color_utils import color_to_rgba

        return color_to_rgba(cls.theme()["template"].get("layout", {}).get("plot_bgcolor", "rgba(0, 0, 0, 0)"))

    @classmethod
    def colorscale(cls, scale_type: str = "sequential") -> list[Any]:
        template = cls.theme()["template"]
        layout = template.get("layout", {})
        scales = dict(layout.get("colorscale", {}))
        heatmaps = template.get("data", {}).get("heatmap") or [{}]
        if "colorscale" in heatmaps[0]:
            scales["heatmap"] = heatmaps[0]["colorscale"]
        scales.update((layout.get("meta") or {}).get("custom_colorscales", {}))
        if scale_type not in scales:
            log.warning(f"Colorscale '{scale_type}' not found, using 'sequential'")
        return [list(stop) for stop in scales.get(scale_type) or scales.get("sequential", [])]

    @classmethod
    def colorway(cls) -> list[str]:
        return list(cls.theme()["template"].get("layout", {}).get("colorway", []))

    @classmethod
    def categorical_colors(cls) -> list[str]:
        return cls.colorway()

    @classmethod
    def branding(cls) -> dict[str, Any]:
        return dict(cls.theme()["branding"])

    @staticmethod
    def adjust_colorscale_alpha(colorscale: Any, alpha: float = 0.5) -> list[list[Any]]:
        from .color_utils import add_alpha_to_first_color

        return add_alpha_to_first_color(colorscale, alpha)

    # Style sheets.

    @classmethod
    def css_files(cls) -> list[str]:
        return ["/base.css", "/dbc.css", "/custom.css"]

    @classmethod
    def get_theme_urls(cls) -> dict[str, str]:
        return {name: str(theme["base_css"]) for name, theme in cls._load().items()}

    @classmethod
    def get_dark_themes(cls) -> list[str]:
        return [name for name, theme in cls._load().items() if theme["dark"]]

    @classmethod
    def get_theme_switch_js(cls) -> str:
        """Remembers the chosen theme, so that the next request knows it, and tells the page."""
        dark = json.dumps(cls.get_dark_themes())
        return f"""function(clicks) {{
    const entry = dash_clientside.callback_context.triggered_id;
    if (!entry || !clicks.some(Boolean)) {{ return dash_clientside.no_update; }}
    const theme = entry.theme;
    localStorage.setItem("{COOKIE}", theme);
    document.cookie = "{COOKIE}=" + theme + "; path=/; max-age=31536000; samesite=lax";
    document.documentElement.setAttribute("data-bs-theme", {dark}.includes(theme) ? "dark" : "light");
    return theme;
}}"""

    @classmethod
    def register_css_route(cls, app: Any) -> None:
        """Serves the theme's own style sheet; where Bootstrap's lies, a theme says by its URL."""
        from flask import Response, redirect

        def base() -> Any:
            return redirect(str(cls.theme()["base_css"]))

        def custom() -> Any:
            path = cls.theme()["custom_css"]
            text = path.read_text("utf-8") if path is not None else ""
            return Response(text, mimetype="text/css")

        app.server.add_url_rule("/base.css", "workbench_base_css", base)
        app.server.add_url_rule("/custom.css", "workbench_custom_css", custom)

    # Loading.

    @classmethod
    def _load(cls) -> dict[str, dict[str, Any]]:
        if not cls._themes:
            with cls._lock:
                if not cls._themes:
                    # Published when it is whole.
                    cls._themes = _built_in() | _own(os.environ.get("WORKBENCH_THEMES"))
        return cls._themes


def _built_in() -> dict[str, dict[str, Any]]:
    return {name: _theme(name, plotly_json(palette), palette.base, None, {}) for name, palette in BUILT_IN.items()}


def _own(place: str | None) -> dict[str, dict[str, Any]]:
    """Folders with a `plotly.json`."""
    found: dict[str, dict[str, Any]] = {}
    if not place or place == "package" or "://" in place or not Path(place).is_dir():
        return found
    for folder in sorted(Path(place).iterdir()):
        try:
            template = json.loads((folder / "plotly.json").read_text("utf-8"))
            base = _text(folder / "base_css.url") or "dbc.themes.DARKLY"
            branding = json.loads(_text(folder / "branding.json") or "{}")
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            log.error(f"Theme '{folder.name}' cannot be read: {error}")
            continue
        css = folder / "custom.css"
        found[folder.name] = _theme(folder.name, template, base.removeprefix("dbc.themes."), css if css.is_file() else None, branding)
    return found


def _theme(name: str, template: dict[str, Any], base: str, css: Path | None, branding: dict[str, Any]) -> dict[str, Any]:
    bare = base.upper()
    is_dark = bare in DARK_BASES or "dark" in name.lower() or any(each.lower() in base.lower() for each in DARK_BASES)
    return {
        "base_css": base if "://" in base else f"/ui/dash/themes/{bare.lower()}.css",
        "template": template,
        "plotly_template": None,
        "custom_css": css,
        "branding": {"app_title": "Workbench", "project_name": "Workbench", **branding},
        "dark": is_dark,
    }


def _text(path: Path) -> str | None:
    return path.read_text("utf-8").strip() if path.is_file() else None


def _known(template: dict[str, Any]) -> dict[str, Any]:
    """Without traces that this plotly does not have."""
    import plotly.graph_objects as go

    traces = {name: each for name, each in template.get("data", {}).items() if name in go.layout.template.Data()}
    return {**template, "data": traces}
