"""The catalog from Python: publish what a stage made, and read it back. Standard library only; frames need pandas.

In a stage, or in anything else that Pegboard starts, the server is known. Elsewhere, name it: `Catalog("http://127.0.0.1:8480")`.
"""

from __future__ import annotations

import io
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

from pegboard._run import active_run, active_session

__all__ = ["Catalog", "CatalogError", "RunResults", "catalog"]

KINDS: Final = ("data_source", "feature_set", "model", "endpoint", "graph", "parameter", "frame")
TIMEOUT_SECONDS: Final = 120.0
# Rows of one page as Arrow.
PAGE: Final = 100_000
FORMATS: Final = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".json": "json", ".ndjson": "json"}
PIECE: Final = 1 << 20

# A table as authors have it: a frame, a path, a list of dicts, an Arrow table.
Table = Any


class CatalogError(Exception):
    """The server refused. `code` is stable; `hint` says what to do, when there is something to do."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message} ({hint})")
        self.code = code
        self.message = message
        self.hint = hint


@final
class RunResults:
    """What a model made of a data set: predictions, metrics and a confusion matrix, each a table, each optional."""

    __slots__ = ("confusion_matrix", "description", "metrics", "predictions")

    def __init__(
        self, predictions: Table = None, metrics: Table = None, confusion_matrix: Table = None, description: str | None = None
    ) -> None:
        self.predictions = predictions
        self.metrics = metrics
        self.confusion_matrix = confusion_matrix
        self.description = description


class Catalog:
    """A server's catalog."""

    def __init__(self, url: str | None = None, key: str | None = None) -> None:
        """`url`: of the server; none: the one that this process belongs to, else the default one. `key`: one of
        `pegboard key create`, where the server answers only those whom it knows; none: that of the variable `PEGBOARD_KEY`."""
        self._url = url
        self._key = key

    @property
    def url(self) -> str:
        return (self._url or os.environ.get("PEGBOARD_URL") or "http://127.0.0.1:8480").rstrip("/")

    # Publishing. Each answers with what the server knows of the new version.

    def publish_data_source(self, name: str, data: Table, **words: Any) -> dict[str, Any]:
        """`words`: owner, description, tags, inputs, health, status, facts, origin.

        What made it is known in a stage and in a callback of `pegboard.hub`. A script of another client names its session:
        `origin={"session": data["session"]}`."""
        return self._publish("data_source", name, {"data": data}, words)

    def publish_feature_set(self, name: str, data: Table, *, id_column: str | None = None, **words: Any) -> dict[str, Any]:
        return self._publish("feature_set", name, {"data": data}, words, {"id_column": id_column})

    def publish_model(
        self,
        name: str,
        *,
        model_type: str | None = None,
        framework: str | None = None,
        target: str | Sequence[str] | None = None,
        features: Sequence[str] | None = None,
        class_labels: Sequence[str] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        runs: Mapping[str, RunResults] | None = None,
        shap_importance: Sequence[tuple[str, float]] | None = None,
        shap_values: Table | Mapping[str, Table] = None,
        shap_feature_values: Table = None,
        **words: Any,
    ) -> dict[str, Any]:
        """A model with its runs. `shap_values` of several classes is a dict by label."""
        facts = {
            "model_type": model_type,
            "framework": framework,
            "target": target,
            "features": None if features is None else list(features),
            "class_labels": None if class_labels is None else list(class_labels),
            "hyperparameters": None if hyperparameters is None else dict(hyperparameters),
        }
        tables = {role: table for run, results in (runs or {}).items() for role, table in _of_run(run, results)}
        described = {run: {"description": each.description} for run, each in (runs or {}).items() if each.description is not None}
        if described:
            facts["runs"] = described
        if isinstance(shap_values, Mapping):
            tables.update({f"shap_values/{label}": table for label, table in shap_values.items()})
        elif shap_values is not None:
            tables["shap_values"] = shap_values
        if shap_feature_values is not None:
            tables["shap_feature_values"] = shap_feature_values
        contents = {} if shap_importance is None else {"shap_importance": [[str(key), float(score)] for key, score in shap_importance]}
        return self._publish("model", name, tables, words, facts, contents)

    def add_run(self, model: str, run: str, results: RunResults) -> dict[str, Any]:
        """Adds a run to the last version of a model, or replaces it."""
        facts: dict[str, Any] = {}
        if results.description is not None:
            known = self.artifact("model", model)["facts"].get("runs") or {}
            facts["runs"] = {**known, run: {"description": results.description}}
        return self._send("PATCH", "model", model, {"facts": facts, "files": self._files(dict(_of_run(run, results)))})

    def publish_endpoint(self, name: str, *, model: str | None = None, metrics: Table = None, **words: Any) -> dict[str, Any]:
        """`metrics`: a table with a column `timestamps`."""
        if model is not None:
            words.setdefault("inputs", [f"model:{model}"])
        return self._publish("endpoint", name, {} if metrics is None else {"metrics": metrics}, words)

    def publish_graph(self, name: str, graph: Mapping[str, Any], **words: Any) -> dict[str, Any]:
        """`graph`: node-link data, as `networkx.node_link_data` makes it."""
        return self._publish("graph", name, {}, words, None, {"graph": graph})

    def put_frame(self, name: str, data: Table, **words: Any) -> dict[str, Any]:
        return self._publish("frame", name, {"data": data}, words)

    def put_parameter(self, name: str, value: Any) -> dict[str, Any]:
        """`value`: what JSON can say, up to 256 KiB."""
        # A fact that is null would be forgotten.
        return self._send("POST", "parameter", name, {"facts": {"value": value} if value is not None else {}})

    def edit(self, kind: str, name: str, **words: Any) -> dict[str, Any]:
        """Changes what is said about the last version: owner, description, tags, inputs, health, status, facts."""
        return self._send("PATCH", kind, name, _said(words, {}))

    def remove(self, kind: str, name: str) -> bool:
        """With all versions; whether there was one."""
        try:
            self._ask("DELETE", _path(kind, name))
        except CatalogError as error:
            if error.code == "artifact-not-found":
                return False
            raise
        return True

    # Reading.

    def artifact(self, kind: str, name: str, version: int | None = None) -> dict[str, Any]:
        """Facts, files, versions and lineage. `CatalogError` with the code `artifact-not-found`."""
        answer = self._ask("GET", _path(kind, name), {} if version is None else {"version": version})
        assert isinstance(answer, dict)
        return answer

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """The same, or None when there is none."""
        try:
            return self.artifact(kind, name)
        except CatalogError as error:
            if error.code in ("artifact-not-found", "artifact-name"):
                return None
            raise

    def artifacts(self, kind: str) -> Iterator[dict[str, Any]]:
        """The last version of each, by name."""
        after = ""
        while True:
            page = self._ask("GET", f"catalog/{kind}", {"after": after, "limit": 1000})
            yield from page["artifacts"]
            if page["next"] is None:
                return
            after = page["next"]

    def parameter(self, name: str) -> Any:
        """Its value; None when there is none."""
        found = self.find("parameter", name)
        return None if found is None else found["facts"].get("value")

    def content(self, kind: str, name: str, role: str) -> bytes:
        """A file as it is kept."""
        return self._bytes("GET", f"{_path(kind, name)}/files/{urllib.parse.quote(role, safe='')}")

    def rows(self, kind: str, name: str, *, file: str = "data", limit: int = 100, offset: int = 0) -> list[dict[str, Any]]:
        """A page of a table as dicts, 10,000 rows at most."""
        return _dicts(self._ask("GET", f"{_path(kind, name)}/rows", {"file": file, "limit": limit, "offset": offset}))

    def statistics(self, kind: str, name: str) -> dict[str, Any]:
        """`column_stats`, `descriptive_stats`, `value_counts` and `correlations`, each by column."""
        answer = self._ask("GET", f"{_path(kind, name)}/statistics")
        assert isinstance(answer, dict)
        return answer

    # Reading as frames.

    def frame(self, kind: str, name: str, *, file: str = "data", limit: int = PAGE, offset: int = 0, sample: bool = False) -> Any:
        """A table, or a page or a sample of it, as a pandas frame."""
        if limit <= PAGE:
            return self._frame("GET", f"{_path(kind, name)}/rows", _page(file, limit, offset, sample))
        import pandas as pd

        pages = []
        while limit > 0:
            part = min(limit, PAGE)
            pages.append(self._frame("GET", f"{_path(kind, name)}/rows", _page(file, part, offset, sample)))
            offset, limit = offset + part, limit - part
            if len(pages[-1]) < part:
                break
        return pd.concat(pages, ignore_index=True)

    def sample(self, kind: str, name: str, rows: int = 100, *, file: str = "data") -> Any:
        """Rows spread over a table as a pandas frame; the same ones every time."""
        return self.frame(kind, name, file=file, limit=rows, sample=True)

    def outliers(self, kind: str, name: str, *, scale: float = 1.5, sample: int | None = None) -> Any:
        """Rows far outside of a column's quartiles, with `outlier_group`, and some others when asked, as a pandas frame."""
        query: dict[str, Any] = {"scale": scale}
        if sample is not None:
            query["sample"] = sample
        return self._frame("GET", f"{_path(kind, name)}/outliers", query)

    def query(self, sql: str, *, limit: int = PAGE) -> Any:
        """The answer to one `select` as a pandas frame. Data sources, feature sets and frames are tables by name."""
        return self._frame("POST", "catalog/query", {}, {"sql": sql, "limit": limit})

    # Parts.

    def _publish(
        self,
        kind: str,
        name: str,
        tables: Mapping[str, Table],
        words: dict[str, Any],
        facts: Mapping[str, Any] | None = None,
        contents: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        body = _said(words, facts or {})
        body.setdefault("origin", _origin())
        files = self._files(tables)
        files += [{"role": role, "content": content} for role, content in (contents or {}).items()]
        body["files"] = files
        return self._send("POST", kind, name, body)

    def _files(self, tables: Mapping[str, Table]) -> list[dict[str, Any]]:
        return [self._file(role, table) for role, table in tables.items()]

    def _file(self, role: str, table: Table) -> dict[str, Any]:
        if isinstance(table, (str, os.PathLike)):
            path = Path(table)
            format_ = FORMATS.get(path.suffix.lower())
            if format_ is None:
                raise ValueError(f"`{path.name}` does not say by its ending how the table is written: .csv, .parquet, .json or .ndjson")
            with path.open("rb") as file:
                return {"role": role, "format": format_, "upload": self._upload(file, path.stat().st_size)}
        if isinstance(table, Mapping) and not hasattr(table, "to_csv"):
            table = [dict(table)]
        if isinstance(table, (list, tuple)):
            text = json.dumps([dict(row) for row in table], default=_json).encode()
            return {"role": role, "format": "json", "upload": self._upload(io.BytesIO(text), len(text))}
        format_, content = _serialised(table, with_labels=role.endswith("/confusion_matrix"))
        return {"role": role, "format": format_, "upload": self._upload(io.BytesIO(content), len(content))}

    def _upload(self, file: Any, length: int) -> str:
        answer = json.loads(self._bytes("POST", "catalog/uploads", {}, file, "application/octet-stream", length))
        return str(answer["upload"])

    def _send(self, method: str, kind: str, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._ask(method, _path(kind, name), {}, body)
        assert isinstance(answer, dict)
        return answer

    def _ask(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body, default=_json).encode()
        return json.loads(self._bytes(method, path, query, content, "application/json"))

    def _frame(self, method: str, path: str, query: Mapping[str, Any], body: dict[str, Any] | None = None) -> Any:
        import pandas as pd

        try:
            import pyarrow as pa
        except ImportError:
            limit = 10_000
            narrowed = {**query, "limit": min(int(query["limit"]), limit)} if "limit" in query else query
            asked = None if body is None else {**body, "limit": min(int(body["limit"]), limit)}
            page = self._ask(method, path, narrowed, asked)
            return pd.DataFrame(page["rows"], columns=[column["name"] for column in page["columns"]])
        if body is None:
            content = self._bytes(method, path, {**query, "format": "arrow"})
        else:
            content = self._bytes(method, path, query, json.dumps({**body, "format": "arrow"}).encode(), "application/json")
        with pa.ipc.open_stream(content) as reader:
            return reader.read_pandas()

    def _bytes(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        length: int | None = None,
    ) -> bytes:
        url = f"{self.url}/api/v1/{path}"
        if query:
            url += "?" + urllib.parse.urlencode({key: _word(value) for key, value in query.items()})
        request = urllib.request.Request(url, data=body, method=method)
        if key := self._key or os.environ.get("PEGBOARD_KEY"):
            request.add_header("Authorization", f"Bearer {key}")
        if body is not None:
            request.add_header("Content-Type", content_type)
            if length is not None:
                request.add_header("Content-Length", str(length))
        try:
            # Straight to the server: a proxy of the surroundings has no way to this machine.
            with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as response:
                content: bytes = response.read()
                return content
        except urllib.error.HTTPError as error:
            raise _refusal(error.code, error.read()) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise CatalogError("server-unreachable", f"cannot reach a Pegboard server at {self.url}: {reason}") from error


_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))

# The catalog of the server that this process belongs to.
catalog: Final = Catalog()


def _path(kind: str, name: str) -> str:
    return f"catalog/{kind}/{urllib.parse.quote(name.strip('/') or name, safe='')}"


def _page(file: str, limit: int, offset: int, sample: bool) -> dict[str, Any]:
    return {"file": file, "limit": limit, "offset": offset, "sample": sample}


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_run(run: str, results: RunResults) -> list[tuple[str, Table]]:
    found = (("predictions", results.predictions), ("metrics", results.metrics), ("confusion_matrix", results.confusion_matrix))
    return [(f"runs/{run}/{what}", table) for what, table in found if table is not None]


def _said(words: dict[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    known = {"owner", "description", "tags", "inputs", "health", "status", "facts", "origin"}
    unknown = set(words) - known
    if unknown:
        raise TypeError(f"the catalog does not know `{sorted(unknown)[0]}`: it takes {', '.join(sorted(known))}")
    body = {key: value for key, value in words.items() if value is not None}
    body["facts"] = {**{key: value for key, value in facts.items() if value is not None}, **(words.get("facts") or {})}
    return body


def _origin() -> dict[str, Any]:
    active = active_run.get()
    if active is None:
        session = active_session.get()
        return {"session": session} if session else {}
    record = active.body.get("run")
    record = record if isinstance(record, dict) else {}
    return {"run": str(record.get("uid") or active.context.id), "workflow": record.get("workflow"), "source": active.stage or None}


def _dicts(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = [column["name"] for column in page["columns"]]
    return [dict(zip(names, row, strict=True)) for row in page["rows"]]


def _serialised(table: Any, with_labels: bool) -> tuple[str, bytes]:
    """A frame, or an Arrow table, as a file."""
    buffer = io.BytesIO()
    if not hasattr(table, "to_csv"):
        import pyarrow.parquet as pq

        pq.write_table(table, buffer)
        return "parquet", buffer.getvalue()
    frame = table
    if with_labels and "labels" not in frame.columns:
        frame = frame.rename_axis(index="labels").reset_index()
    elif frame.index.name is not None or frame.index.nlevels > 1:
        frame = frame.reset_index()
    frame = frame.rename(columns={name: str(name) for name in frame.columns if not isinstance(name, str)})
    try:
        frame.to_parquet(buffer, index=False)
    except (ImportError, ValueError, TypeError):
        # Without pyarrow, or with columns that hold values of several types.
        return "csv", frame.to_csv(index=False).encode()
    return "parquet", buffer.getvalue()


def _json(value: Any) -> Any:
    """What plain JSON does not know: numbers and arrays of numpy, times."""
    for name in ("tolist", "isoformat"):
        convert = getattr(value, name, None)
        if callable(convert):
            return convert()
    raise TypeError(f"the catalog cannot keep a {type(value).__name__} as JSON")


def _refusal(status: int, content: bytes) -> CatalogError:
    try:
        error = json.loads(content)["error"]
        return CatalogError(error["code"], error["message"], error.get("hint"))
    except (ValueError, KeyError, TypeError):
        return CatalogError("unexpected-answer", f"what answers there does not speak as Pegboard does: status {status}")
