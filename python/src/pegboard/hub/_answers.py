"""What callbacks return, and how it goes over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any

Json = dict[str, Any]


@dataclass(slots=True)
class Answer:
    """Annotations of one asset. Objects carry a `schemaId` and one shape, classifications a `schemaId` and an `answer`."""

    objects: list[Json] = field(default_factory=list)
    classifications: list[Json] = field(default_factory=list)
    relations: list[Json] = field(default_factory=list)

    def to_dict(self) -> Json:
        return {"objects": self.objects or [], "classifications": self.classifications or [], "relations": self.relations or []}

    toDict = to_dict


@dataclass(slots=True)
class AnnotationPayload:
    """An answer and, for brushes, the addresses of what was painted."""

    answer: Answer | None = None
    brush_data_url: str | None = None
    medical_brush_data_url: str | None = None

    def to_dict(self) -> Json:
        answer = self.answer if self.answer is not None else Answer()
        return {
            "answer": answer.to_dict(),
            "brushDataUrl": self.brush_data_url,
            "medicalBrushDataUrl": self.medical_brush_data_url,
            "duration": 0,
        }

    toDict = to_dict


@dataclass(slots=True)
class ExportResponse:
    """The file that an export makes. A path is uploaded piece by piece and need not fit into memory."""

    file: BytesIO | IO[bytes] | bytes | str | Path
    file_name: str = "export.json"
    storage_id: str | None = None
    bucket: str | None = None
    options: object = None


@dataclass(slots=True)
class Listing:
    """One page of a bucket: prefixes that end with a slash, keys, and a token when there is more."""

    folders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    scroll_token: str | None = None

    def to_dict(self) -> Json:
        return {"folders": self.folders, "files": self.files, "scrollToken": self.scroll_token, "success": True}


def annotation_of(result: object) -> AnnotationPayload:
    """Any shape that a model's callback may return. Raises `TypeError` for what is none."""
    if isinstance(result, AnnotationPayload):
        return result
    if isinstance(result, Answer):
        return AnnotationPayload(result)
    if isinstance(result, Mapping):
        inner = result.get("answer")
        source = inner if isinstance(inner, Mapping) else result
        objects = source.get("objects") or source.get("tools") or []
        answer = Answer(list(objects), list(source.get("classifications") or []), list(source.get("relations") or []))
        return AnnotationPayload(answer, result.get("brushDataUrl"), result.get("medicalBrushDataUrl"))
    # Classes of the former client look the same.
    if hasattr(result, "toDict"):
        return annotation_of(result.toDict())
    what = "nothing" if result is None else f"a value of type {type(result).__name__}"
    raise TypeError(f"a model's callback returned {what}; return an AnnotationPayload, an Answer or a dictionary with `objects`")


def export_of(result: object) -> ExportResponse:
    """Any shape that an export's callback may return. Raises `TypeError` for what is none."""
    if isinstance(result, ExportResponse):
        return result
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], str):
        return ExportResponse(result[1], result[0])
    if isinstance(result, Path):
        return ExportResponse(result, result.name)
    if hasattr(result, "file") and hasattr(result, "file_name"):
        return ExportResponse(result.file, result.file_name, getattr(result, "storage_id", None))
    what = "nothing" if result is None else f"a value of type {type(result).__name__}"
    raise TypeError(f"an export's callback returned {what}; return an ExportResponse, a path or a pair of file name and file")


def merged(existing: Mapping[str, Any], new: Answer) -> Answer:
    """`new` beside what is there: all objects and relations of both, and old classifications that `new` does not answer."""
    answered = {one.get("schemaId") for one in new.classifications}
    kept = [one for one in existing.get("classifications") or [] if one.get("schemaId") not in answered]
    objects = list(existing.get("objects") or existing.get("tools") or [])
    return Answer(objects + new.objects, kept + new.classifications, list(existing.get("relations") or []) + new.relations)
