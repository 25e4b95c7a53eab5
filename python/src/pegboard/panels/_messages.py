"""What there is to say about a plugin file: findings with a line and a remedy, and what its loader logged."""

from __future__ import annotations

from typing import Any

__all__ = ["Messages"]


class Messages:
    """In the order in which they came up."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[dict[str, Any]] = []

    def add(self, level: str, text: str, remedy: str | None = None, line: int | None = None) -> None:
        said = {"level": level, "text": text, "file": self.file, "line": line, "remedy": remedy}
        if said not in self.found:
            self.found.append(said)

    def error(self, text: str, remedy: str | None = None, line: int | None = None) -> None:
        self.add("error", text, remedy, line)

    def warn(self, text: str, remedy: str | None = None, line: int | None = None) -> None:
        self.add("warning", text, remedy, line)

    def note(self, text: str, remedy: str | None = None, line: int | None = None) -> None:
        self.add("note", text, remedy, line)

    def failed(self, told: dict[str, Any]) -> None:
        """A failure as a finding."""
        self.error(told["message"], told["hint"], told["line"])
