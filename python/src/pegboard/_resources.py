"""What a stage asks of the machine that runs it, read from the run's definition (specification, section 3)."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

_BYTES: Final = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)?\s*([a-z]*)\s*", re.IGNORECASE)
_POWERS: Final = {letter: power for power, letter in enumerate("kmgtp", 1)}


class Resources(NamedTuple):
    """Numbers. None: the stage does not say. Memory is in bytes."""

    cpus: float | None = None
    gpus: float | None = None
    memory: int | None = None
    labels: tuple[tuple[str, float], ...] = ()

    def named(self) -> dict[str, float]:
        """All that the stage says, by the dialect's names."""
        known = {"cpus": self.cpus, "gpus": self.gpus, "memory": self.memory}
        return {**{name: float(value) for name, value in known.items() if value is not None}, **dict(self.labels)}


def of_stage(definition: dict[str, Any], name: str) -> Resources:
    """Of the stage of that name; the last one counts, its options lie over its own keys. `ValueError` for what is no number."""
    asked: dict[str, Any] = {}
    for stage in definition.get("spec", {}).get("stages", []):
        options = stage.get("options") or {}
        if options.get("name", stage.get("name")) == name:
            found = options.get("resources", stage.get("resources"))
            asked = found if isinstance(found, dict) else {}
    labels = tuple((key, float(value)) for key, value in asked.items() if key not in ("cpus", "gpus", "memory"))
    cpus, gpus, memory = asked.get("cpus"), asked.get("gpus"), asked.get("memory")
    return Resources(
        None if cpus is None else float(cpus),
        None if gpus is None else float(gpus),
        None if memory is None else parse_bytes(memory),
        labels,
    )


def parse_bytes(value: Any) -> int:
    """`5.4 kB`, `2GiB`, `1e6` or a number."""
    if isinstance(value, (int, float)):
        return int(value)
    matched = _BYTES.fullmatch(str(value))
    if matched is None:
        raise ValueError(f"Could not interpret '{value}' as a number of bytes")
    number, unit = matched.group(1) or "1", matched.group(2).lower()
    bare = unit.removesuffix("b")
    base = 1024 if bare.endswith("i") else 1000
    bare = bare.removesuffix("i")
    if bare and bare not in _POWERS:
        raise ValueError(f"Could not interpret '{matched.group(2)}' as a byte unit")
    return int(float(number) * (base ** _POWERS[bare] if bare else 1))
