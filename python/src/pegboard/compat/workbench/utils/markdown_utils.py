"""Facts as Markdown and HTML. What comes from data is escaped where it becomes HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .symbols import tag_symbols

__all__ = [
    "df_to_html_table",
    "dict_to_collapsible_html",
    "dict_to_markdown",
    "health_tag_markdown",
    "tag_styling",
    "tags_to_markdown",
]


def health_tag_markdown(health_tags: Sequence[str]) -> str:
    tags = [tag for tag in health_tags if tag != "healthy"]
    if not tags:
        return f"**Health:** {tag_symbols('')} Healthy\n"
    return "**Health Checks**\n\n" + "\n".join(f"- {tag_symbols(tag)} {tag}" for tag in tags) + "\n"


def tags_to_markdown(tags: str) -> str:
    """Tags joined by `::`."""
    return " ".join(f"`{tag}`" for tag in str(tags).split("::") if tag) or "-"


def tag_styling(tags: str, tag_to_css: Mapping[str, str]) -> str:
    """Each tag in a span with the class of the first word that it contains."""
    spans = []
    for tag in str(tags).split("::"):
        found = next((css for word, css in tag_to_css.items() if word in tag), None)
        spans.append(f'<span class="{escape(found)}">{escape(tag)}</span>' if found else escape(tag))
    return ", ".join(spans)


def dict_to_markdown(data: Mapping[str, Any], title: str | None = None) -> str:
    lines = [] if title is None else [f"**{title}**", ""]
    lines += _items(data, 0)
    return "\n".join(lines) + "\n"


def _items(data: Mapping[str, Any], depth: int) -> list[str]:
    lines = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            lines += [f"{'  ' * depth}- **{key}**", *_items(value, depth + 1)]
        else:
            lines.append(f"{'  ' * depth}- **{key}:** {_value(value)}")
    return lines


def dict_to_collapsible_html(data: Mapping[str, Any], title: str | None = None, collapse_all: bool = False) -> str:
    """Nested facts as `<details>`, open unless all are to be closed."""
    rows = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            rows.append(dict_to_collapsible_html(value, str(key), collapse_all))
        else:
            rows.append(f"<li><b>{escape(str(key))}</b>: {escape(_value(value))}</li>")
    inside = f'<ul class="no-bullet">{"".join(rows)}</ul>'
    if title is None:
        return inside
    return f"<details{'' if collapse_all else ' open'}><summary><b>{escape(title)}</b></summary>{inside}</details>"


def df_to_html_table(df: Any, round_digits: int = 2, margin_bottom: int = 30) -> str:
    head = "".join(f"<th>{escape(str(name))}</th>" for name in df.columns)
    rows = []
    for row in df.round(round_digits).itertuples(index=False):
        rows.append("<tr>" + "".join(f"<td>{escape(_value(value))}</td>" for value in row) + "</tr>")
    style = f'style="margin-bottom: {margin_bottom}px; width: 100%"'
    return f'<table class="table table-sm" {style}><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(each) for each in value)
    return str(value)
