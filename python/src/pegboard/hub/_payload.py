"""What a run was asked to do.

A payload is the hub's own dictionary, so a callback that was written for the former client finds every key where it was
(`data["projectId"]`, `data.get("logger")`, `**data`), and the same in typed form (`payload.project_id`, `payload.config`).
"""

from __future__ import annotations

import base64
import csv
import html
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pegboard._errors import Cancelled
from pegboard.hub._logs import RunLogger
from pegboard.hub._sdk import SDK


class Context(Protocol):
    """The run's way to the hub."""

    @property
    def host(self) -> str: ...

    @property
    def is_cancelled(self) -> bool: ...

    def log(self, level: str, text: str, fields: Mapping[str, Any]) -> None: ...

    def progress(self, done: float, total: float | None, message: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ClassPair:
    """One of the plugin's classes and the project's tool that it became."""

    schema_id: str
    model_class: str


class Payload(dict[str, Any]):
    """A run of any type."""

    def __init__(self, values: Mapping[str, Any], context: Context) -> None:
        super().__init__(values)
        self.context = context
        self.setdefault("batches", [])
        self._sdk: SDK | None = None
        self.logger = RunLogger(self)
        """Writes to the run's log. Extra keyword arguments become fields of the line."""
        self["logger"] = self.logger

    @property
    def session(self) -> str:
        """Identity of this run."""
        return self._text("session")

    @property
    def project_id(self) -> str:
        return self._text("projectId")

    @property
    def organization_id(self) -> str:
        return self._text("orgId")

    @property
    def run_by(self) -> str:
        """Id of the user who started it."""
        return self._text("runBy")

    @property
    def api_key(self) -> str:
        """What the HTTP API takes during the run."""
        return self._text("apiKey")

    @property
    def batches(self) -> list[str]:
        """Ids of the batches that were chosen; empty: all."""
        return self._texts("batches")

    @property
    def config(self) -> dict[str, Any]:
        """The run's config, parsed; empty when there is none. Raises `ValueError` when it is no JSON object."""
        text = self.get("configJSON") or "{}"
        found = text if isinstance(text, dict) else json.loads(str(text))
        if not isinstance(found, dict):
            raise ValueError(f"the run's config is no JSON object: {str(text)[:100]}")
        return found

    @property
    def sdk(self) -> SDK:
        """The hub's HTTP API with the run's key. Its calls block: in an async callback, use `asyncio.to_thread`."""
        if self._sdk is None:
            self._sdk = SDK(self.api_key, self.context.host)
        return self._sdk

    @property
    def is_cancelled(self) -> bool:
        """Somebody stopped the run: what it still answers is ignored."""
        return self.context.is_cancelled

    def check_cancelled(self) -> None:
        """Raises `Cancelled` when somebody stopped the run. Call it now and then in long loops."""
        if self.context.is_cancelled:
            raise Cancelled("the run was cancelled")

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Shows how far the run is. As often as you like: what comes too fast is left out. Raises `Cancelled` like `check_cancelled`."""
        self.check_cancelled()
        self.context.progress(done, total, message)

    def _text(self, key: str) -> str:
        value = self.get(key)
        return "" if value is None else str(value)

    def _texts(self, key: str) -> list[str]:
        value = self.get(key)
        return [str(one) for one in value] if isinstance(value, list) else []


class ExportPayload(Payload):
    """One export of a project, ready to be converted."""

    def set_assets(self, assets: Iterator[dict[str, Any]], number: int) -> None:
        """Called by the client once it has fetched the export."""
        self["jsonExport"], self["numTasks"] = assets, number

    @property
    def assets(self) -> Iterator[dict[str, Any]]:
        """Assets with their tasks, one pass; they are read while you go on."""
        assets: Iterator[dict[str, Any]] = self["jsonExport"]
        return assets

    @property
    def number(self) -> int:
        """How many assets there are."""
        return int(self["numTasks"])

    @property
    def stages(self) -> list[str] | None:
        """The stages that were chosen; empty: all; None: the hub's default."""
        return self._texts("stage") if isinstance(self.get("stage"), list) else None


class _WithClasses(Payload):
    @property
    def classes(self) -> list[ClassPair]:
        """What the user mapped: the plugin's classes to the project's tools. Empty when nothing was."""
        pairs = self.get("categorySchema") or []
        return [ClassPair(str(one.get("schemaId", "")), str(one.get("modelClass", ""))) for one in pairs]


class ModelPayload(_WithClasses):
    """One asset to be annotated."""

    @property
    def asset_id(self) -> str:
        return self._text("assetId")

    @property
    def task_id(self) -> str:
        return self._text("taskId")

    @property
    def data_url(self) -> str:
        """Where the asset's file is; readable without a key."""
        return self._text("dataURL")

    @property
    def is_workflow(self) -> bool:
        """The task is in a Plugin stage: the answer is stored and the task moves on."""
        return bool(self.get("workflow"))

    @property
    def overwrite(self) -> bool:
        """The answer replaces what is there, instead of being laid beside it."""
        return self.get("overwrite") is not False


class BatchModelPayload(_WithClasses):
    """Many assets of a project; the callback chooses them through the HTTP API and imports labels itself."""


class FileExplorerPayload(Payload):
    """A page of a bucket to be listed, or files of it to be imported."""

    @property
    def bucket(self) -> str:
        return self._text("bucket")

    @property
    def storage_id(self) -> str:
        return self._text("storageId") or self._text("integrationId")

    @property
    def folder(self) -> str:
        """The prefix; empty for the root, else it ends with a slash."""
        return self._text("folder")

    @property
    def is_import(self) -> bool:
        """Import, rather than list."""
        return bool(self.get("upload"))

    @property
    def files(self) -> list[str]:
        """Keys to import; empty: the whole folder."""
        return self._texts("files")

    @property
    def scroll_token(self) -> str | None:
        """What the page before said; None for the first page."""
        token = self.get("scrollToken") or self.get("scroll_token")
        return None if token is None else str(token)


class MarkdownPayload(Payload):
    """A table and a template, of which assets are made."""

    @property
    def table(self) -> str:
        """The CSV file's text."""
        return base64.b64decode(self._text("inputFile")).decode("utf-8-sig", "replace")

    def rows(self) -> Iterator[dict[str, str]]:
        """The table's rows by the names of its columns."""
        for row in csv.DictReader(io.StringIO(self.table, newline="")):
            yield {name: value or "" for name, value in row.items() if isinstance(name, str)}

    @property
    def template(self) -> str:
        """The Markdown text."""
        return html.unescape(self._text("markdownText"))


class InputPayload(FileExplorerPayload):
    """Something else to be made into assets."""

    @property
    def options(self) -> list[Any]:
        value = self.get("fileExplorerOptions")
        return value if isinstance(value, list) else []
