"""Hooks that keep frames and arrays as files, one per partition."""

from __future__ import annotations

import importlib.util
import io
import itertools
from collections.abc import Callable
from typing import Any, Final

from ....lib.optional import optional
from ..interface import Artifact

__all__ = [
    "array_from_artifact",
    "array_to_artifact",
    "dataframe_from_artifact",
    "dataframe_to_artifact",
    "get_handler_func",
    "register_handler",
]

Handler = Callable[..., Any]
_handlers: Final[dict[tuple[str, str, str], Handler]] = {}


def register_handler(executor: str, type: str, operation: str, function: Handler) -> None:
    """Teaches the hooks another type.

    Operations: `to_artifact`, called with artifact, value, format and options, and `from_artifact`, called without the value.
    """
    _handlers[executor, type, operation] = function


def get_handler_func(executor: str, type: str, operation: str) -> Handler:
    """`ValueError` when nobody handles the type."""
    for owner in (executor, ""):
        if (owner, type, operation) in _handlers:
            return _handlers[owner, type, operation]
    raise ValueError(f"No handler for `{type}` and `{operation}`")


def dataframe_to_artifact(format: str = "parquet", *, executor: str = "", **options: Any) -> Callable[[Artifact, Any], None]:
    return _saver(format, executor, options)


def dataframe_from_artifact(format: str = "parquet", *, executor: str = "", **options: Any) -> Callable[[Artifact], Any]:
    return _loader(format, executor, options)


def array_to_artifact(format: str = "npy", *, executor: str = "", **options: Any) -> Callable[[Artifact, Any], None]:
    return _saver(format, executor, options)


def array_from_artifact(format: str = "npy", *, executor: str = "", **options: Any) -> Callable[[Artifact], Any]:
    return _loader(format, executor, options)


def _saver(format: str, executor: str, options: dict[str, Any]) -> Callable[[Artifact, Any], None]:
    def save(artifact: Artifact, value: Any) -> None:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        # Pandas gives its classes a shorter public path from 3.0 on; what is recorded stays the same.
        kind = {"pandas.DataFrame": "pandas.core.frame.DataFrame"}.get(kind, kind)
        handler = get_handler_func(executor, kind, "to_artifact")
        artifact.clear()
        artifact.set_meta("value_type", kind)
        handler(artifact, value, format, **options)

    return save


def _loader(format: str, executor: str, options: dict[str, Any]) -> Callable[[Artifact], Any]:
    def load(artifact: Artifact) -> Any:
        kind = artifact.get_meta("value_type")
        return get_handler_func(executor, str(kind), "from_artifact")(artifact, format, **options)

    return load


def _frame_to(artifact: Artifact, value: Any, format: str, num_parts: int = 1, **options: Any) -> None:
    write = {"parquet": "to_parquet", "csv": "to_csv"}[format]
    _need_engine(format)
    for index, (start, end) in enumerate(_splits(len(value), num_parts)):
        buffer = io.BytesIO()
        getattr(value.iloc[start:end], write)(buffer, **options)
        artifact.get_file(f"partition-{index}.{format}", create=True).write(buffer.getvalue())


def _frame_from(artifact: Artifact, format: str, **options: Any) -> Any:
    import pandas

    read = getattr(pandas, {"parquet": "read_parquet", "csv": "read_csv", "orc": "read_orc"}[format])
    _need_engine(format)
    parts = [read(io.BytesIO(file.read()), **options) for file in _partitions(artifact, format)]
    return parts[0] if len(parts) == 1 else pandas.concat(parts)


def _need_engine(format: str) -> None:
    if format == "orc" or (format == "parquet" and importlib.util.find_spec("fastparquet") is None):
        optional("pyarrow", purpose=f"a frame as `{format}`")


def _array_to(artifact: Artifact, value: Any, format: str, num_parts: int = 1, **options: Any) -> None:
    import numpy

    write = {"npy": numpy.save}[format]
    for index, (start, end) in enumerate(_splits(len(value), num_parts)):
        buffer = io.BytesIO()
        write(buffer, value[start:end], **options)
        artifact.get_file(f"partition-{index}.{format}", create=True).write(buffer.getvalue())


def _array_from(artifact: Artifact, format: str, **options: Any) -> Any:
    import numpy

    read = {"npy": numpy.load}[format]
    parts = [read(io.BytesIO(file.read()), **options) for file in _partitions(artifact, format)]
    return parts[0] if len(parts) == 1 else numpy.concatenate(parts)


def _partitions(artifact: Artifact, format: str) -> list[Any]:
    found = [file for file in artifact.list_files() if file.name.startswith("partition-") and file.name.endswith(f".{format}")]
    if not found:
        raise FileNotFoundError(f"Artifact `{artifact.name}` has no `{format}` partitions")
    return found


def _splits(length: int, parts: int) -> list[tuple[int, int]]:
    """First parts are one longer."""
    size, more = divmod(length, max(1, parts))
    bounds = [0]
    for index in range(max(1, parts)):
        bounds.append(bounds[-1] + size + (index < more))
    return list(itertools.pairwise(bounds))


for _kind, _to, _from in (
    ("pandas.core.frame.DataFrame", _frame_to, _frame_from),
    ("numpy.ndarray", _array_to, _array_from),
):
    register_handler("", _kind, "to_artifact", _to)
    register_handler("", _kind, "from_artifact", _from)
