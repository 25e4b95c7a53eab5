"""A Dash app whose page has the viewer's theme from its first byte on."""

from __future__ import annotations

from typing import Any

from dash import Dash

from ..utils.theme_manager import COOKIE, ThemeManager

__all__ = ["ThemedDash"]

SCRIPT = f"""<script>
(function () {{
    var theme = localStorage.getItem("{COOKIE}");
    if (theme) {{ document.cookie = "{COOKIE}=" + theme + "; path=/; max-age=31536000; samesite=lax"; }}
}})();
</script>"""


class ThemedDash(Dash):  # type: ignore[misc]
    def interpolate_index(self, **parts: Any) -> str:
        page: str = super().interpolate_index(**parts)
        page = page.replace("<html>", f'<html data-bs-theme="{ThemeManager.data_bs_theme()}">', 1)
        return page.replace("<head>", f"<head>{SCRIPT}", 1)
