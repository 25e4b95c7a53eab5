"""What the server has to serve for components: scripts in their order, style sheets, files of the packages."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from typing import Any

import dash
from dash import _dash_renderer, dash_table, dcc, html
from dash.development.base_component import ComponentRegistry

from pegboard.panels._encode import object_of
from pegboard.panels._package import is_ours, workbench_version

__all__ = ["libraries", "served"]

# Libraries that every page has.
ALWAYS = ("dash_bootstrap_components", "dash_ag_grid")
OF_DASH = ("dash_core_components", "dash_html_components", "dash_table")
Resource = dict[str, Any]


def served(_: dict[str, Any]) -> bytes:
    """Everything that the environment has, whatever a plugin imports."""
    import importlib

    for name in ALWAYS:
        importlib.import_module(name)
    found = libraries(frozenset())
    found["versions"]["workbench"] = workbench_version()
    # Browsers get themes, as everything else, from an environment with ours.
    return object_of(**found, themes=_themes() if is_ours() else [])


def libraries(without: Iterable[str]) -> dict[str, Any]:
    """Of the component libraries that are imported; all packages, or those beyond `without`."""
    app = dash.get_app() if _has_app() else dash.Dash("pegboard_libraries", add_log_handler=False)
    before = _resolved(_dash_renderer._js_dist_dependencies)
    imported = _resolved(app.scripts.get_all_scripts())
    after = _resolved([*_dash_renderer._js_dist, *dcc._js_dist, *html._js_dist, *dash_table._js_dist])
    styles = _resolved(app.css.get_all_css())
    scripts = [*before, *(each for each in imported if each not in after), *after]
    skipped = set(without)
    packages = sorted({each["namespace"] for each in [*scripts, *styles]} - skipped)
    everything = [*_all(_dash_renderer._js_dist_dependencies), *_all(app.scripts.get_all_scripts(dev_bundles=True))]
    everything += [*_all(_dash_renderer._js_dist), *_all(dcc._js_dist), *_all(html._js_dist), *_all(dash_table._js_dist)]
    everything += [*_all(app.scripts._resources._resources), *_all(app.css._resources._resources)]
    for name in ComponentRegistry.registry:
        module = sys.modules[name]
        everything += [*_all(getattr(module, "_js_dist", [])), *_all(getattr(module, "_css_dist", []))]
    return {
        "libraries": {
            "scripts": _pairs((each for each in scripts if not _is_lazy(each)), skipped),
            "styles": _pairs((each for each in styles if not _is_lazy(each)), skipped),
            "before": len(_pairs((each for each in before if not _is_lazy(each)), skipped)),
            "after": len(_pairs((each for each in after if not _is_lazy(each)), skipped)),
        },
        "packages": {name: _package(name, everything) for name in packages},
        "children_props": _children_props(skipped),
        "versions": _versions(packages),
    }


def _children_props(skipped: set[str]) -> dict[str, Any]:
    """Properties besides `children` that hold components, by namespace; those that have none are left out."""
    found = {}
    for namespace, said in ComponentRegistry.children_props.items():
        known = namespace in skipped or ("dash" in skipped and namespace in OF_DASH)
        if not known:
            found[namespace] = {name: list(each) for name, each in said.items() if each}
    return found


def _has_app() -> bool:
    try:
        dash.get_app()
    except Exception:
        return False
    return True


def _resolved(resources: Iterable[Resource]) -> list[Resource]:
    """With the production file where there are two."""
    found = []
    for each in resources:
        named = {key: value["prod"] if isinstance(value, dict) and "prod" in value else value for key, value in each.items()}
        if "relative_package_path" in named:
            found.append(named)
    return found


def _all(resources: Iterable[Resource]) -> list[tuple[str, str]]:
    return [pair for each in _resolved(resources) for pair in _paths(each)]


def _paths(resource: Resource) -> list[tuple[str, str]]:
    said = resource["relative_package_path"]
    return [(resource["namespace"], _path(each)) for each in ([said] if isinstance(said, str) else said)]


def _path(said: str) -> str:
    # Parts of Dash itself name their files as if they were packages of their own.
    return said.replace("dash.", "", 1) if any(said.startswith(f"dash.{part}") for part in ("dcc", "html", "dash_table")) else said


def _is_lazy(resource: Resource) -> bool:
    """Asked for by a script when it needs it, not named in the index."""
    return bool(resource.get("dynamic")) or resource.get("async") is not None


def _pairs(resources: Iterable[Resource], skipped: set[str]) -> list[list[str]]:
    found: list[list[str]] = []
    for each in resources:
        for package, path in _paths(each):
            if package not in skipped and [package, path] not in found:
                found.append([package, path])
    return found


def _package(name: str, everything: list[tuple[str, str]]) -> dict[str, Any]:
    module = sys.modules[name]
    folder = os.path.dirname(os.path.abspath(str(module.__file__)))
    paths = sorted({path for package, path in everything if package == name and not path.endswith(".map")})
    files = [path for path in paths if os.path.isfile(os.path.join(folder, path))]
    return {"version": str(getattr(module, "__version__", "0")), "folder": folder, "files": files}


def _versions(packages: Iterable[str]) -> dict[str, str]:
    import plotly

    named = {name: str(getattr(sys.modules[name], "__version__", "0")) for name in packages}
    return {**named, "dash": dash.__version__, "plotly": plotly.__version__, "python": platform.python_version()}


def _themes() -> list[dict[str, Any]]:
    from workbench.utils.theme_manager import ThemeManager

    dark, sheets = ThemeManager.get_dark_themes(), ThemeManager.get_theme_urls()
    default = ThemeManager.current_theme()
    return [
        {"name": name, "dark": name in dark, "base_css": sheets[name], "is_default": name == default} for name in ThemeManager.list_themes()
    ]
