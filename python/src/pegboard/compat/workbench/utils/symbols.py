"""Health tags as symbols."""

from __future__ import annotations

__all__ = ["health_icons", "tag_symbols"]

health_icons = {
    "failed": "🔴",
    "5xx_errors": "🔴",
    "no_model": "🔴",
    "5xx_errors_min": "🟠",
    "no_endpoint": "🟡",
    "model_type_unknown": "⚪",
    "model_not_found": "⚫",
    "unknown_error": "⚫",
    "metrics_needed": "🟣",
    "needs_onboard": "🔵",
    "healthy": "🟢",
    "no_activity": "➖",  # noqa: RUF001
}


def tag_symbols(tag_string: object) -> str:
    """Symbols of tags joined by `:`. What is no tag stays, so that a second time changes nothing."""
    tags = [tag.strip() for tag in str(tag_string or "").split(":") if tag.strip()]
    if not tags:
        return health_icons["healthy"]
    symbols = "".join(health_icons.get(tag, tag) for tag in tags)
    return health_icons["healthy"] + symbols if tags == ["no_activity"] else symbols
