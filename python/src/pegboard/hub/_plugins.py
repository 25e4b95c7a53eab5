"""The classes that a script makes its plugin of, one for each type."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, TypeVar

from pegboard.hub._answers import Answer, Listing, annotation_of, export_of
from pegboard.hub._payload import (
    BatchModelPayload,
    Context,
    ExportPayload,
    FileExplorerPayload,
    InputPayload,
    MarkdownPayload,
    ModelPayload,
    Payload,
)
from pegboard.hub._sdk import EXPORTS, ExportedAssets

P = TypeVar("P", bound=Payload)


@dataclass(frozen=True, slots=True)
class Result:
    """What the hub is told at the end of a run that went well."""

    value: Any
    is_export: bool = False
    # The hub has learnt it by another way: nothing is sent.
    is_stored: bool = False


class Plugin(Generic[P]):
    """What all types have in common. The callback takes the payload, or its keys as keyword arguments; it may be a coroutine function."""

    kind: ClassVar[str]
    payload_class: type[P]
    default_concurrency: ClassVar[int] = 8

    def __init__(
        self,
        id: str,
        secret: str,
        callback: Callable[[P], object] | Callable[..., object],
        host: str | None = None,
        *,
        concurrency: int | None = None,
    ) -> None:
        """`concurrency`: runs at once; the hub keeps the others in its queue. `host`: of the HTTP API, when it is not that of `run`."""
        if not id or not secret:
            raise ValueError("a plugin needs its id and its secret: `pegboard hub create` prints both")
        self.id: Final = id
        self.secret: Final = secret
        self.callback: Final[Callable[..., object]] = callback
        self.host = host
        self.concurrency: Final = max(1, int(concurrency if concurrency is not None else self.default_concurrency))
        self.takes_keywords: Final = takes_keywords(callback)

    def payload(self, values: Mapping[str, Any], context: Context) -> P:
        return self.payload_class(values, context)

    def prepare(self, payload: P) -> None:
        """What is done before the callback, in the same thread."""

    def finish(self, payload: P, value: object) -> Result:
        """What is done with what the callback returned, in the same thread."""
        return Result(value)

    def release(self, payload: P) -> None:
        """What is done at the end, however it went."""


class ExportPlugin(Plugin[ExportPayload]):
    """Converts an export of a project into a file. The callback returns an `ExportResponse`, a path or `(name, file)`."""

    kind = "export"
    payload_class = ExportPayload

    def __init__(
        self,
        id: str,
        secret: str,
        callback: Callable[[ExportPayload], object] | Callable[..., object],
        host: str | None = None,
        version: str = "v3",
        *,
        concurrency: int | None = None,
        api_key: str | None = None,
    ) -> None:
        """`version` and `api_key` are taken for the sake of old scripts; assets always come in the current shape, a key with each run."""
        super().__init__(id, secret, callback, host, concurrency=concurrency)
        self.version = version

    def prepare(self, payload: ExportPayload) -> None:
        key_frames = bool(payload.config.get("include_key_frames_only", False))
        assets, number = payload.sdk.export(
            payload.project_id, stage=payload.stages, batches=payload.batches, include_key_frames_only=key_frames
        )
        payload.set_assets(assets, number)

    def finish(self, payload: ExportPayload, value: object) -> Result:
        response = export_of(value)
        sdk, project = payload.sdk, payload.project_id
        url = sdk.upload(project, response.file, response.file_name, kind=EXPORTS, storage_id=response.storage_id)
        return Result(sdk.signed_url(project, url, kind=EXPORTS, storage_id=response.storage_id), is_export=True)

    def release(self, payload: ExportPayload) -> None:
        assets = payload.get("jsonExport")
        if isinstance(assets, ExportedAssets):
            assets.close()


class ModelPlugin(Plugin[ModelPayload]):
    """Annotates one asset. The callback returns an `AnnotationPayload`, an `Answer` or a dictionary with `objects`."""

    kind = "model"
    payload_class = ModelPayload
    # One model, one task at a time, as people expect of it.
    default_concurrency = 1

    def finish(self, payload: ModelPayload, value: object) -> Result:
        annotation = annotation_of(value)
        if payload.is_workflow:
            payload.check_cancelled()
            payload.sdk.annotate_task(payload.task_id, annotation, payload.overwrite, send_to_next_stage=True, is_plugin=True)
            return Result(None, is_stored=True)
        if not payload.overwrite:
            annotation = payload.sdk.beside(payload.task_id, annotation)
        return Result((annotation.answer if annotation.answer is not None else Answer()).to_dict())


class BatchModelPlugin(Plugin[BatchModelPayload]):
    """Annotates many assets of a project: chooses them by `payload.sdk`, imports labels, returns a message."""

    kind = "batch_model"
    payload_class = BatchModelPayload


class FileExplorerPlugin(Plugin[FileExplorerPayload]):
    """Lists a bucket or imports from it. The callback returns a `Listing`, or a message after an import."""

    kind = "file_explorer"
    payload_class = FileExplorerPayload

    def finish(self, payload: FileExplorerPayload, value: object) -> Result:
        return Result(value.to_dict() if isinstance(value, Listing) else value)


class MarkdownPlugin(Plugin[MarkdownPayload]):
    """Makes assets of a table and a template; returns a message."""

    kind = "markdown_generator"
    payload_class = MarkdownPayload


class InputPlugin(Plugin[InputPayload]):
    """Makes assets of something else; returns a message."""

    kind = "input"
    payload_class = InputPayload


def takes_keywords(callback: Callable[..., object]) -> bool:
    """Whether the callback wants the payload's keys as keyword arguments: it cannot be called with one positional argument."""
    with suppress(TypeError, ValueError):
        signature = inspect.signature(callback)
        try:
            signature.bind({})
        except TypeError:
            return True
    return False


def arguments(plugin: Plugin[P], payload: P) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """How the callback is called. One that names its parameters gets those that it names."""
    if not plugin.takes_keywords:
        return (payload,), {}
    parameters = inspect.signature(plugin.callback).parameters.values()
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        return (), dict(payload)
    return (), {one.name: payload[one.name] for one in parameters if one.name in payload}
