"""Stages with their options laid over them, and the order in which they may run (specification, sections 3, 9.1 and 9.6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from pegboard._errors import ValidationError

from ....lib.model import Fields
from ....lib.utils.misc import parse_bytes
from .context import Stage

__all__ = ["Graph", "RunnableStage"]

# `parameter` is how early releases spelled it; tests of plugins in the field still do.
TYPES: Final = {"simple": "simple", "parameterized": "parameterized", "parameter": "parameterized"}


Fits = Callable[[Any], bool]
# What options may say in place of the stage's own key.
OVERLAID: Final[dict[str, tuple[str, Fits]]] = {
    "name": ("text", lambda value: isinstance(value, str)),
    "target": ("text", lambda value: isinstance(value, str) or callable(value)),
    "depends_on": ("a list of names", lambda value: isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)),
    "map_on": ("text or null", lambda value: value is None or isinstance(value, str)),
    "allow_partial_failure": ("a boolean", lambda value: isinstance(value, bool)),
}


class RunnableStage(Stage):
    """A stage as it is run: what its options say counts, resources are numbers."""

    known: ClassVar[Fields] = {**Stage.known, "map_on": (None, None), "allow_partial_failure": (True, None)}
    map_on: str | None
    allow_partial_failure: bool

    @classmethod
    def of(cls, stage: Stage) -> RunnableStage:
        """`ValidationError` for a type or an option that no stage can have."""
        options = dict(stage.options or {})
        fields = dict(vars(stage))
        if stage.type not in TYPES:
            raise ValidationError(f"Stage type `{stage.type}` does not exist.")
        fields["type"] = TYPES[stage.type]
        wanted = {key: expected for key, expected in OVERLAID.items() if key in options}
        for key, (expected, fits) in wanted.items():
            if not fits(options[key]):
                raise ValidationError(f"option `{key}` of stage `{stage.name}` is `{_shown(options[key])}`, not {expected}")
            fields[key] = options[key]
        # These two count in the options only.
        for key in ("map_on", "allow_partial_failure"):
            if key not in options or fields["type"] == "simple":
                fields[key] = None
        if not OVERLAID["depends_on"][1](fields["depends_on"]):
            raise ValidationError(f"`depends_on` of stage `{stage.name}` is `{_shown(stage.depends_on)}`, not a list of names")
        made = cls(**fields)
        try:
            made.resources = {key: parse_bytes(value) if key == "memory" else float(value) for key, value in made.resources.items()}
        except (TypeError, ValueError) as error:
            raise ValidationError(f"`resources` of stage `{stage.name}`: {error}") from error
        return made

    @property
    def is_parameterized(self) -> bool:
        return self.type == "parameterized"


class Graph:
    """The groups of stages, each after all that it depends on; `result` is the name of the one whose value is the run's."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        """`AssertionError` when stages remain that can never become ready, before anything has run."""
        laid = [RunnableStage.of(stage) for stage in stages]
        if not laid:
            raise ValueError("the workflow has no stages")
        # Of stages with one name the last counts, at its own place.
        last = {stage.name: position for position, stage in enumerate(laid)}
        waiting = [stage for position, stage in enumerate(laid) if last[stage.name] == position]
        self.groups: list[list[RunnableStage]] = []
        done: set[str] = set()
        while waiting:
            group = [stage for stage in waiting if all(name in done or name == stage.name for name in stage.depends_on)]
            if not group:
                names = ", ".join(repr(stage.name) for stage in waiting)
                # The sentence is the dialect's own, spelling included: plugins' tests compare it.
                raise AssertionError(f"Problematic stage dependency. Check your workflow defintion at stage: {{{names}}}")
            self.groups.append(group)
            done.update(stage.name for stage in group)
            waiting = [stage for stage in waiting if stage.name not in done]
        self.result = self.groups[-1][-1].name


def _shown(value: object) -> str:
    return json.dumps(value, default=repr)
