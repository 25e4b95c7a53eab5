"""The hub's HTTP API as far as plugins need it. Names, arguments and answers are those of the former client's SDK where it has them.

Every call blocks; answers are the hub's own JSON (`{"status": "success", "data": {…}}`), except where a method says otherwise.
Errors raise `RequestFailed` with the hub's sentence.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final, final
from urllib.parse import quote, urlencode

from pegboard.hub import _http
from pegboard.hub._answers import AnnotationPayload, Answer, annotation_of, merged

Json = dict[str, Any]

# Assets of one page where all are asked for.
PAGE: Final = 100
EXPORTS: Final = "exports"
ASSETS: Final = "assets"


class SDK:
    """The API with one key."""

    def __init__(self, api_key: str, host: str) -> None:
        self.api_key = api_key
        self.host = host.rstrip("/")

    def make_request(self, method: str, endpoint: str, payload: object = None, query: Mapping[str, object] | None = None) -> Json:
        """Any call: `make_request("GET", "/v2/project/…")`. Values of `query` that are None are left out, lists become JSON."""
        url = f"{self.host}/{endpoint.lstrip('/')}"
        given = {name: _query(value) for name, value in (query or {}).items() if value is not None}
        if given:
            url += f"?{urlencode(given, quote_via=quote)}"
        headers = {"apikey": self.api_key, "Accept": "application/json"}
        body = None
        if payload is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(payload, allow_nan=False).encode()
        answer = _http.fetch(method.upper(), url, headers, body)
        found: Json = json.loads(answer) if answer else {}
        return found

    # Projects

    def list_projects(self, page: int = 1, limit: int = 10) -> Json:
        return self.make_request("GET", "/v2/listProjects", query={"page": page, "limit": limit})

    def get_project(self, project_id: str) -> Json:
        return self.make_request("GET", f"/v2/project/{project_id}")

    def create_project(self, name: str, description: str | None = None) -> Json:
        return self.make_request("POST", "/v2/project", {"name": name, "description": description or ""})

    def create_label_set(self, project_id: str, raw_category_schema: Mapping[str, object]) -> Json:
        return self.make_request("POST", f"/v2/project/{project_id}", {"categorySchema": raw_category_schema})

    def update_workflow_stages(self, project_id: str, stages: Sequence[Mapping[str, object]]) -> Json:
        return self.make_request("POST", f"/v2/project/{project_id}", {"stages": stages})

    # Batches

    def get_batches(self, project_id: str) -> list[Json]:
        """The project's batches: `_id` and `name` of each."""
        found: list[Json] = self.get_project(project_id)["data"]["project"].get("batches") or []
        return found

    def create_batch(self, project_id: str, batch_name: str) -> Json:
        return self.make_request("POST", f"/v2/batches/{project_id}", {"name": batch_name})

    def create_batches(self, project_id: str, batch_names: Iterable[str]) -> list[Json]:
        """Makes those that are not there; gives the named ones."""
        names = list(batch_names)
        there = {one["name"] for one in self.get_batches(project_id)}
        for name in names:
            if name not in there:
                self.create_batch(project_id, name)
                there.add(name)
        return [one for one in self.get_batches(project_id) if one["name"] in names]

    def assign_batches(self, project_id: str, asset_ids: Sequence[str], batches: Sequence[str]) -> Json:
        """Batches by name."""
        ids = [one["_id"] for one in self.create_batches(project_id, batches)]
        return self.make_request("POST", "/v2/assignBatches", {"assets": asset_ids, "batches": ids, "projectId": project_id})

    # Assets and tasks

    def get_assets(self, project_id: str, page: int = 1, limit: int = 10, filters: Mapping[str, object] | None = None) -> Json:
        query = {"page": page, "limit": limit, "filters": filters or None}
        return self.make_request("GET", f"/v2/project/{project_id}/assets", query=query)

    def assets(self, project_id: str, filters: Mapping[str, object] | None = None) -> Iterator[Json]:
        """All assets, a page at a time."""
        page, seen = 1, 0
        while True:
            data = self.get_assets(project_id, page, PAGE, filters)["data"]
            yield from data["assets"]
            seen += len(data["assets"])
            if not data["assets"] or seen >= int(data["total"]):
                return
            page += 1

    def get_task(self, task_id: str, include_answer: bool = False) -> Json:
        return self.make_request("GET", f"/v2/task/{task_id}", query={"includeAnswer": include_answer})

    def get_tasks(self, project_id: str, page: int = 1, limit: int = 10, **filters: object) -> Json:
        """Filters: `stage`, `batches`, `include_answer`, `status`, `sort`, `filter`."""
        if "include_answer" in filters:
            filters["includeAnswer"] = filters.pop("include_answer")
        if "status" in filters:
            filters["status[eq]"] = filters.pop("status")
        return self.make_request("GET", f"/v2/project/{project_id}/tasks", query={"page": page, "limit": limit, **filters})

    def annotate_task(
        self,
        task_id: str,
        payload: AnnotationPayload | Answer | Mapping[str, object],
        overwrite: bool = False,
        send_to_next_stage: bool = False,
        *,
        is_plugin: bool = False,
    ) -> Json:
        """Stores an answer. Without `overwrite` it is laid beside what is there."""
        annotation = annotation_of(payload)
        if not overwrite:
            annotation = self.beside(task_id, annotation)
        query = {"nextStage": send_to_next_stage, "isPlugin": is_plugin}
        return self.make_request("POST", f"/v2/annotate/{task_id}", annotation.to_dict(), query)

    def beside(self, task_id: str, annotation: AnnotationPayload) -> AnnotationPayload:
        """The annotation laid beside the task's own."""
        existing = self.get_task(task_id)["data"]["task"].get("answer") or {}
        answer = merged(existing, annotation.answer if annotation.answer is not None else Answer())
        return AnnotationPayload(answer, annotation.brush_data_url, annotation.medical_brush_data_url)

    def import_labels(self, project_id: str, labels: Sequence[Mapping[str, object]]) -> Json:
        """Answers for tasks that nobody has worked on, by `externalId` or `data`."""
        return self.make_request("POST", "/v2/import/labels", {"project": project_id, "jsonContent": labels})

    def requeue_tasks(
        self, project_id: str, to_stage_id: str, filters: Mapping[str, object] | None = None, options: Mapping[str, object] | None = None
    ) -> Json:
        body = {"toStageId": to_stage_id, "filters": filters or {}, "options": options or {}}
        return self.make_request("POST", f"/v2/project/{project_id}/requeueTasks", body)

    # Files

    def upload_files(
        self,
        project_id: str,
        file_paths: Iterable[str | Path | Mapping[str, Any]],
        storage_id: str | None = None,
        batches: Sequence[str] | None = None,
        priority: int = 0,
    ) -> Json:
        """Uploads local files and makes an asset of each. A path, or `{"data": path, "externalId": name, …}`."""
        assets: list[Json] = []
        for given in file_paths:
            asset: Json = dict(given) if isinstance(given, Mapping) else {"data": str(given)}
            path = Path(asset["data"])
            asset.setdefault("externalId", path.name)
            asset["data"] = self.upload(project_id, path, path.name, kind=ASSETS, storage_id=storage_id).partition("?")[0]
            assets.append(asset)
        return self.upload_files_cloud(project_id, assets, storage_id, batches, priority, upload_local="true")

    def upload_files_cloud(
        self,
        project_id: str,
        assets: Iterable[Mapping[str, Any]],
        storage_id: str | None = None,
        batches: Sequence[str] | None = None,
        priority: int = 0,
        upload_local: str | None = None,
    ) -> Json:
        """Makes an asset of each `{"data": URL or text, "externalId": name, …}`. Batches by name."""
        given = [{**asset, **({"storage": storage_id} if storage_id else {})} for asset in assets]
        ids = [one["_id"] for one in self.create_batches(project_id, batches)] if batches else []
        body = {"assets": given, "uploadLocal": upload_local, "priority": priority}
        return self.make_request("POST", f"/v2/project/{project_id}/cloud", body, {"batches": ids})

    def upload(
        self, project_id: str, file: IO[bytes] | bytes | str | Path, name: str, *, kind: str = ASSETS, storage_id: str | None = None
    ) -> str:
        """Uploads one file; gives the address that it was put to."""
        query = {"name": name, "project": project_id, "type": kind, "storageId": storage_id or None}
        url: str = self.make_request("GET", "/v2/getUploadUrl", query=query)["data"]["uploadUrl"]
        source, size = _http.opened(file)
        try:
            _http.upload(url, source, size)
        finally:
            if isinstance(file, (str, Path)) and not isinstance(source, bytes):
                source.close()
        return url

    def signed_url(self, project_id: str, url: str, *, kind: str = ASSETS, storage_id: str | None = None) -> str:
        """The address under which an uploaded file can be read without a key, for a while."""
        query = {"name": url, "project": project_id, "type": kind, "storageId": storage_id or None}
        signed: str = self.make_request("GET", "/v2/getSignedUrl", query=query)["data"]["signedUrl"]
        return signed

    def get_storages(self, storage_id: str | None = None) -> Json:
        """All, or the one: `{"data": {"storages": …}}`."""
        found = self.make_request("GET", "/v2/storages", query={"_id": storage_id})
        if storage_id is not None:
            mine = [one for one in found["data"]["storages"] if one["_id"] == storage_id]
            found["data"]["storages"] = mine[0] if mine else None
        return found

    def list_storage_files(self, storage_id: str, bucket_name: str, path: str = "") -> Json:
        return self.make_request("GET", f"/v2/storages/{storage_id}/files", query={"bucketName": bucket_name, "path": path})

    def read(self, url: str) -> bytes:
        """A file by a signed address."""
        with TemporaryFile() as file:
            _http.download(url, file)
            file.seek(0)
            return file.read()

    # Issues

    def create_issue(self, task_id: str, content: str, **more: object) -> Json:
        return self.make_request("POST", "/v2/issues", {"labelTask": task_id, "content": content, **more})

    def get_issues(self, project_id: str, asset_id: str | None = None, task_id: str | None = None) -> Json:
        return self.make_request("GET", "/v2/issues", query={"project": project_id, "asset": asset_id, "labelTask": task_id})

    # Export

    def export(
        self,
        project_id: str,
        *,
        stage: Sequence[str] | None = None,
        batches: Sequence[str] | None = None,
        include_key_frames_only: bool = False,
        include_history: bool = True,
    ) -> tuple[Iterator[Json], int]:
        """Assets with their tasks, one pass, and how many there are. The export lies in a temporary file: any size is fine."""
        query: Json = {
            "project": project_id,
            "format": "ndjson",
            "type": "task",
            "stage": ["Complete"] if stage is None else list(stage) or None,
            "batches": list(batches) if batches else None,
            "includeMetadata": True,
            "includeHistory": include_history,
            "includeOnlyKeyFrames": include_key_frames_only,
            "doNotNotify": True,
            "sendEmail": False,
        }
        path: str = self.make_request("GET", "/v2/export", query=query)["data"]["exportPath"]
        assets = ExportedAssets(path)
        return assets, len(assets)


@final
class ExportedAssets(Iterator[Json]):
    """The assets of an export, one pass, read from a temporary file that goes away with the last one."""

    def __init__(self, url: str) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 closed by `close`
        try:
            _http.download(url, self._file)
            self._archive = zipfile.ZipFile(self._file)
            first = self._archive.infolist()[0]
            with self._archive.open(first) as lines:
                self._number = sum(1 for line in lines if line.strip())
            self._lines = self._archive.open(first)
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        """Of the whole export."""
        return self._number

    def __next__(self) -> Json:
        while not self._lines.closed and (line := self._lines.readline()):
            if line.strip():
                asset: Json = json.loads(line)
                return asset
        self.close()
        raise StopIteration

    def close(self) -> None:
        self._lines.close()
        self._archive.close()
        self._file.close()


def _query(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
