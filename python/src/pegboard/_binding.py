"""Which argument a parameter takes, by the rules of the Flowdapt dialect (specification, sections 9.2 and 9.3).

Pure: a plan is made once per callable, then bound per call. Errors carry the class and the words that clients of the dialect know.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from pegboard._errors import ValidationError

# Arguments are shown whole in an error up to this many characters.
SHOWN: Final = 2000
# A container with more elements is shown cut.
MANY: Final = 500


class Plan:
    """The parameters of a callable, sorted by how they can be fed."""

    __slots__ = ("_signature", "by_name", "has_args", "has_kwargs", "ordinary", "refused", "required", "takes_input")

    def __init__(self, function: Callable[..., Any]) -> None:
        try:
            self._signature = inspect.signature(function)
        except ValueError:
            # A class whose constructor is written in C tells nothing.
            self._signature = inspect.Signature(
                [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL), inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)]
            )
        parameters = self._signature.parameters.values()
        self.ordinary = [item.name for item in parameters if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)]
        self.by_name = frozenset(item.name for item in parameters if item.kind in (item.KEYWORD_ONLY, item.POSITIONAL_OR_KEYWORD))
        self.required = [
            item.name for item in parameters if item.default is item.empty and item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
        ]
        self.has_args = any(item.kind is item.VAR_POSITIONAL and item.name == "args" for item in parameters)
        self.has_kwargs = any(item.kind is item.VAR_KEYWORD and item.name == "kwargs" for item in parameters)
        self.takes_input = bool(self.by_name) or self.has_kwargs
        self.refused = "context" in self._signature.parameters

    def bind_input(self, stage: str, given: dict[str, Any]) -> dict[str, Any]:
        """Keyword arguments of a stage without dependencies."""
        self._check_names(stage, "SimpleStage")
        keywords = self._keywords(given, without=None)
        self._check_covered(keywords, [], keywords)
        return keywords

    def bind_dependencies(self, stage: str, values: Sequence[Any]) -> list[Any]:
        """Positional arguments of a stage with dependencies."""
        self._check_names(stage, "SimpleStage")
        passed = list(values) if self.has_args else list(values[: len(self.ordinary)])
        self._check_taken(stage, passed)
        self._check_covered(self.ordinary[: len(passed)], passed, {})
        return passed

    def bind_item(
        self, stage: str, map_on: str | None, given: dict[str, Any], values: Sequence[Any] | None, first: object
    ) -> tuple[list[Any], dict[str, Any]]:
        """What every item of a parameterized stage receives after itself: positional arguments and keywords."""
        self._check_names(stage, "ParameterizedStage")
        if map_on is None:
            passed = [first, *(values or [])]
            passed = passed if self.has_args else passed[: len(self.ordinary)]
            self._check_taken(stage, passed)
            self._check_covered(self.ordinary[: len(passed)], passed, {})
            return passed[1:], {}
        if values is None:
            keywords = self._keywords(given, without=map_on)
            self._check_covered([map_on, *keywords], [], keywords)
            return [], keywords
        remaining = [name for name in self.ordinary if name != map_on]
        passed = list(values) if self.has_args else list(values[: len(remaining)])
        self._check_taken(stage, passed)
        self._check_covered([map_on, *remaining[: len(passed)]], passed, {})
        return passed, {}

    def _keywords(self, given: dict[str, Any], without: str | None) -> dict[str, Any]:
        if self.has_kwargs:
            # A name that can only be given by position would clash with nothing here: it lands in the catch-all.
            return {key: value for key, value in given.items() if key != without}
        return {key: value for key, value in given.items() if key in self.by_name and key != without}

    def _check_names(self, stage: str, kind: str) -> None:
        if self.refused:
            reason = f"Stage `{stage}` cannot have the following parameters: ['context']"
            raise ValidationError(f"1 validation error for {kind}\n  Value error, {reason}")

    def _check_taken(self, stage: str, passed: list[Any]) -> None:
        if not passed:
            raise ValueError(f"Stage `{stage}` takes no arguments but depends on previous stage.")

    def _check_covered(self, covered: Sequence[str] | dict[str, Any], positional: list[Any], keywords: dict[str, Any]) -> None:
        for name in self.required:
            if name not in covered or (covered is keywords and name not in self.by_name):
                raise ValueError(f"Invalid arguments provided: {_show(positional)}, {_show(keywords)} for signature: {self._signature}")


def _show(given: list[Any] | dict[str, Any]) -> str:
    items = given.values() if isinstance(given, dict) else given
    try:
        many = any(isinstance(item, (list, tuple, dict, set, frozenset, str, bytes)) and len(item) > MANY for item in items)
        text = reprlib.repr(given) if many else repr(given)
    except Exception:
        text = f"[{', '.join(type(item).__name__ for item in items)}]"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
