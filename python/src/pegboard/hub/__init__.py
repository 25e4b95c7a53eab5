"""Plugins that connect to the hub: a script, an id and a secret.

    from pegboard.hub import Answer, ModelPlugin, run

    def annotate(payload):
        payload.logger.info("looking at %s", payload.data_url)
        return Answer(objects=[{"schemaId": payload.classes[0].schema_id, "bounding-box": {"x": 1, "y": 2, "width": 3, "height": 4}}])

    run(ModelPlugin(id, secret, annotate), host="http://127.0.0.1:8480")

Standard library only. The classes, their arguments and the payload's keys are those of the hub's former client, so a script moves over
by its import; it gains runs that outlive a lost connection and a restart of the hub, cancelling, progress and typed payloads.
"""

from __future__ import annotations

from pegboard._errors import Cancelled
from pegboard.hub._answers import AnnotationPayload, Answer, ExportResponse, Listing
from pegboard.hub._errors import ConnectionLost, HubError, HubRefused, RequestFailed
from pegboard.hub._logs import LogHandler, RunLogger
from pegboard.hub._payload import (
    BatchModelPayload,
    ClassPair,
    ExportPayload,
    FileExplorerPayload,
    InputPayload,
    MarkdownPayload,
    ModelPayload,
    Payload,
)
from pegboard.hub._plugins import (
    BatchModelPlugin,
    ExportPlugin,
    FileExplorerPlugin,
    InputPlugin,
    MarkdownPlugin,
    ModelPlugin,
    Plugin,
)
from pegboard.hub._sdk import SDK
from pegboard.hub._start import run, serve

__all__ = [
    "SDK",
    "AnnotationPayload",
    "Answer",
    "BatchModelPayload",
    "BatchModelPlugin",
    "Cancelled",
    "ClassPair",
    "ConnectionLost",
    "ExportPayload",
    "ExportPlugin",
    "ExportResponse",
    "FileExplorerPayload",
    "FileExplorerPlugin",
    "HubError",
    "HubRefused",
    "InputPayload",
    "InputPlugin",
    "Listing",
    "LogHandler",
    "MarkdownPayload",
    "MarkdownPlugin",
    "ModelPayload",
    "ModelPlugin",
    "Payload",
    "Plugin",
    "RequestFailed",
    "RunLogger",
    "run",
    "serve",
]
