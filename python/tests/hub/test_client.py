"""The client against a scripted hub, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hub.scripted import ScriptedHub, payload
from pegboard.hub import (
    AnnotationPayload,
    Answer,
    BatchModelPayload,
    BatchModelPlugin,
    Cancelled,
    ExportPayload,
    ExportPlugin,
    ExportResponse,
    FileExplorerPayload,
    FileExplorerPlugin,
    HubRefused,
    InputPlugin,
    Listing,
    LogHandler,
    MarkdownPayload,
    MarkdownPlugin,
    ModelPayload,
    ModelPlugin,
    Plugin,
    RequestFailed,
)
from pegboard.hub._client import Client


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[ScriptedHub]:
    hub = ScriptedHub()
    await hub.start()
    yield hub
    await hub.stop()


@asynccontextmanager
async def serving(hub: ScriptedHub, plugin: Plugin[Any]) -> AsyncIterator[Client]:
    client = Client(plugin, hub.host)
    task = asyncio.ensure_future(client.serve())
    try:
        yield client
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, HubRefused):
            await task


def batch(callback: Callable[..., object], **more: Any) -> BatchModelPlugin:
    return BatchModelPlugin("pl1", "sec1", callback, **more)


async def test_a_run_from_heartbeat_to_response(hub: ScriptedHub):
    def work(data: BatchModelPayload) -> str:
        data.logger.info("of %s", data.project_id, share=0.5)
        data["logger"].warning("old", extra={"k": 1})
        assert (data["projectId"], data.config, data.batches, data.run_by) == ("P1", {"a": 1}, [], "U1")
        return "done"

    async with serving(hub, batch(work)):
        peer, beat = await hub.peer()
        assert (beat["id"], beat["secret"], beat["type"], beat["running"]) == ("pl1", "sec1", "batch_model", [])
        peer.emit("plugin", payload("B1"), ack=True)
        said = {"organization": "O1", "pluginId": "pl1", "runBy": "U1", "session": "B1"}
        assert await peer.event("log") == {"level": "INFO", "msg": "of P1", "share": 0.5, **said}
        assert await peer.event("log") == {"level": "WARNING", "msg": "old", "k": 1, **said}
        assert await peer.event("response") == {"response": "done", "session": "B1"}
        assert await peer.text() == "43/plugin,1[]"
        peer.send("2")
        assert await peer.text() == "3"


def keywords_only(**data: Any) -> str:
    return f"all {data['projectId']}"


def some_names(projectId: str, apiKey: str) -> str:
    return f"two {projectId} {apiKey}"


def with_default(data: Any, more: int = 1) -> str:
    return f"one {data['projectId']}"


async def coroutine(data: Any) -> str:
    await asyncio.sleep(0)
    return "async"


class Callback:
    async def __call__(self, data: Any) -> str:
        return "object"


@pytest.mark.parametrize(
    ("callback", "answer"),
    [
        (keywords_only, "all P1"),
        (some_names, "two P1 K1"),
        (with_default, "one P1"),
        (coroutine, "async"),
        (Callback(), "object"),
        (lambda data: None, None),
        (lambda data: {"n": (1, 2)}, {"n": [1, 2]}),
    ],
    ids=["keywords", "names", "default", "coroutine", "object", "none", "json"],
)
async def test_any_callback(hub: ScriptedHub, callback: Callable[..., object], answer: object):
    async with serving(hub, batch(callback)):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"))
        assert await peer.event("response") == {"response": answer, "session": "B1"}


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (lambda data: 1 // 0, "ZeroDivisionError"),
        (lambda data: float("nan"), "ValueError"),
        (lambda data: object(), "a value of type object cannot be sent"),
        (lambda data: next(iter(())), "StopIteration"),
        (lambda data: exit(3), "SystemExit"),
        (lambda data: "x" * 200_000, "upload it"),
    ],
    ids=["raises", "nan", "object", "stop", "exit", "large"],
)
async def test_failures_are_told(hub: ScriptedHub, callback: Callable[..., object], words: str):
    async with serving(hub, batch(callback)):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"))
        answer = await peer.event("response")
        assert answer["error"] is True and words in answer["message"]
        peer.emit("plugin", payload("B2", configJSON=""))
        assert (await peer.event("response"))["session"] == "B2", "it goes on"


async def test_the_traceback_goes_with_the_line(hub: ScriptedHub):
    async with serving(hub, batch(lambda data: {}["x"])):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"))
        line = await peer.event("log")
        assert line["level"] == "ERROR" and line["msg"] == "Plugin callback failed: KeyError: 'x'"
        assert "Traceback" in line["traceback"] and "test_client.py" in line["traceback"]


async def test_a_lost_connection_ends_no_run(hub: ScriptedHub):
    go = threading.Event()

    def work(data: BatchModelPayload) -> str:
        data.logger.info("before")
        assert go.wait(5)
        data.logger.info("after")
        return "done"

    async with serving(hub, batch(work)):
        peer, first = await hub.peer()
        peer.emit("plugin", payload("B1"), ack=True)
        assert (await peer.event("log"))["msg"] == "before"
        peer.drop()
        peer, second = await hub.peer()
        assert second["running"] == ["B1"] and second["process"] == first["process"]
        peer.emit("plugin", payload("B1"), ack=True)
        go.set()
        assert (await peer.event("log"))["msg"] == "after"
        assert await peer.event("response") == {"response": "done", "session": "B1"}
        # The acknowledgement of the connection that is gone is not sent on this one, that of the repeated event is.
        assert await peer.text() == "43/plugin,1[]"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(peer.text(), 0.1)


async def test_results_wait_for_a_hub_that_restarts(hub: ScriptedHub):
    calls = []

    def work(data: BatchModelPayload) -> str:
        calls.append(data.session)
        time.sleep(0.3)
        return "done"

    async with serving(hub, batch(work)):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"))
        await asyncio.sleep(0.1)
        await hub.stop()
        await asyncio.sleep(0.6)
        await hub.start()
        peer, beat = await hub.peer()
        assert beat["running"] == ["B1"]
        assert await peer.event("response") == {"response": "done", "session": "B1"}
        assert calls == ["B1"]


async def test_an_unconfirmed_result_is_sent_again(hub: ScriptedHub):
    async with serving(hub, batch(lambda data: "done")) as client:
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"))
        while '"response"' not in await peer.text():
            pass
        peer.drop()
        peer, beat = await hub.peer()
        assert beat["running"] == ["B1"]
        assert (await peer.event("response"))["response"] == "done"
        await asyncio.sleep(0.05)
        assert not client._runs and not client._unconfirmed
        peer.drop()
        peer, beat = await hub.peer()
        assert beat["running"] == []


async def test_a_coroutine_is_cancelled_where_it_waits(hub: ScriptedHub):
    async def work(data: BatchModelPayload) -> str:
        data.progress(0)
        await asyncio.sleep(60)
        return "never"

    async with serving(hub, batch(work)):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"), ack=True)
        assert (await peer.event("progress"))["done"] == 0
        peer.emit("cancel", {"session": "B1"})
        answer = await peer.event("response")
        assert answer == {"error": True, "cancelled": True, "session": "B1", "message": "the run was cancelled"}


async def test_a_function_is_cancelled_at_its_next_check(hub: ScriptedHub):
    seen = []

    def work(data: BatchModelPayload) -> str:
        try:
            for step in range(1000):
                data.progress(step, 1000)
                time.sleep(0.01)
        except Cancelled:
            seen.append(data.is_cancelled)
            raise
        return "never"

    async with serving(hub, batch(work, concurrency=1)):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"))
        peer.emit("plugin", payload("B2"))
        await peer.event("progress")
        peer.emit("cancel", {"session": "B2"})
        peer.emit("cancel", {"session": "B1"})
        peer.emit("cancel", {"session": "unknown"})
        answers = [await peer.event("response") for _ in range(2)]
        assert [answer["session"] for answer in answers] == ["B1", "B2"] and all(answer["cancelled"] for answer in answers)
        assert seen == [True], "the one that waited was never called"


async def test_progress_is_thinned_out_and_the_last_is_told(hub: ScriptedHub):
    def work(data: BatchModelPayload) -> str:
        for step in range(1, 1001):
            data.progress(step, 1000, "Files")
        return "done"

    async with serving(hub, batch(work)):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"))
        told = []
        while not told or told[-1]["done"] != 1000:
            told.append(await peer.event("progress"))
        assert len(told) < 20 and told[-1] == {"session": "B1", "done": 1000, "total": 1000, "message": "Files"}
        assert (await peer.event("response"))["response"] == "done"


async def test_a_hub_without_progress_gets_log_lines(hub: ScriptedHub):
    hub.welcome = None
    async with serving(hub, batch(lambda data: data.progress(40, 120, "Files"))):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"))
        assert (await peer.event("log"))["msg"] == "Files: [120/40]"


async def test_a_refused_plugin_says_so(hub: ScriptedHub):
    client = Client(batch(lambda data: None), hub.host)
    serve = asyncio.ensure_future(client.serve())
    hub.welcome = None
    peer, _ = await hub.peer()
    peer.emit("refused", {"message": "no such plugin, or a wrong secret"})
    with pytest.raises(HubRefused, match="wrong secret"):
        await asyncio.wait_for(serve, 5)


async def test_concurrency(hub: ScriptedHub):
    lock, busy, most = threading.Lock(), 0, 0

    def work(data: BatchModelPayload) -> str:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.02)
        with lock:
            busy -= 1
        return data.session

    async with serving(hub, batch(work, concurrency=3)):
        peer, beat = await hub.peer()
        assert beat["concurrency"] == 3
        for number in range(12):
            peer.emit("plugin", payload(f"B{number}"))
        assert {(await peer.event("response"))["response"] for _ in range(12)} == {f"B{number}" for number in range(12)}
        assert most == 3


async def test_stop_lets_runs_end(hub: ScriptedHub):
    client = Client(batch(lambda data: time.sleep(0.2) or "done"), hub.host)
    serve = asyncio.ensure_future(client.serve())
    peer, _ = await hub.peer()
    peer.emit("plugin", payload("B1"))
    await asyncio.sleep(0.05)
    client.stop()
    assert (await peer.event("response"))["response"] == "done"
    await asyncio.wait_for(serve, 2)
    assert await peer.text() == "41/plugin," and await peer.text() == "1"


async def test_a_flood_of_lines_is_cut_and_counted(hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pegboard.hub._outbox.LINES", 50)

    def work(data: BatchModelPayload) -> str:
        for number in range(500):
            data.logger.debug("%d", number)
        return "done"

    async with serving(hub, batch(work)):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"))
        lines, dropped = 0, 0
        while lines + dropped < 500:
            line = await peer.event("log")
            lines += 0 if "dropped" in line else 1
            dropped += line.get("dropped", 0)
        assert lines >= 50 and lines + dropped == 500


async def test_export(hub: ScriptedHub, tmp_path: Path):
    hub.assets = [{"externalId": f"{number}.png", "task": {"tools": []}} for number in range(3)]

    def work(data: ExportPayload) -> ExportResponse:
        assert data.number == data["numTasks"] == 3
        names = [asset["externalId"] for asset in data["jsonExport"]]
        return ExportResponse(file=BytesIO(json.dumps(names).encode()), file_name="names.json")

    async with serving(hub, ExportPlugin("pl1", "sec1", work)):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("X1", stage=["Complete"], batches=["b1"]))
        answer = await peer.event("response")
        assert answer == {"export": True, "response": f"{hub.host}/files/names.json?signed=1", "session": "X1"}
        assert json.loads(hub.files["/files/names.json"]) == ["0.png", "1.png", "2.png"]
        query = hub.requests[0][2]
        assert (query["stage"], query["batches"], query["format"]) == ('["Complete"]', '["b1"]', "ndjson")


@pytest.mark.parametrize(
    "shape",
    [lambda path: path, lambda path: (path.name, BytesIO(path.read_bytes())), lambda path: ExportResponse(path.read_bytes(), path.name)],
    ids=["path", "pair", "bytes"],
)
async def test_shapes_of_an_export(hub: ScriptedHub, tmp_path: Path, shape: Callable[[Path], object]):
    made = tmp_path / "out.csv"
    made.write_bytes(b"a,b\n")
    async with serving(hub, ExportPlugin("pl1", "sec1", lambda **data: shape(made))):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("X1", stage=[]))
        assert (await peer.event("response"))["export"] is True
        assert hub.files["/files/out.csv"] == b"a,b\n"
        assert "stage" not in hub.requests[0][2], "no stage: all of them"


@pytest.mark.parametrize(
    "shape",
    [
        AnnotationPayload(Answer([{"schemaId": "s"}])),
        Answer([{"schemaId": "s"}]),
        {"objects": [{"schemaId": "s"}]},
        {"data": "u", "answer": {"tools": [{"schemaId": "s"}]}},
    ],
    ids=["payload", "answer", "dictionary", "nested"],
)
async def test_shapes_of_an_answer(hub: ScriptedHub, shape: object):
    async with serving(hub, ModelPlugin("pl1", "sec1", lambda data: shape)):
        peer, beat = await hub.peer()
        assert beat["concurrency"] == 1
        peer.emit("plugin", payload("M1", assetId="A1", taskId="T1"))
        answer = {"objects": [{"schemaId": "s"}], "classifications": [], "relations": []}
        assert await peer.event("response") == {"response": answer, "session": "M1"}


async def test_a_model_lays_its_answer_beside_the_other(hub: ScriptedHub):
    hub.task["answer"] = {"tools": [{"schemaId": "old"}], "classifications": [{"schemaId": "c"}, {"schemaId": "d"}], "relations": []}
    new = Answer([{"schemaId": "new"}], [{"schemaId": "c", "answer": 1}])
    async with serving(hub, ModelPlugin("pl1", "sec1", lambda data: new)):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("M1", taskId="T1", overwrite=False))
        answer = (await peer.event("response"))["response"]
        assert [one["schemaId"] for one in answer["objects"]] == ["old", "new"]
        assert answer["classifications"] == [{"schemaId": "d"}, {"schemaId": "c", "answer": 1}]


async def test_a_model_in_a_workflow_answers_over_http(hub: ScriptedHub):
    async def work(data: ModelPayload) -> Answer:
        assert data.is_workflow and data.classes[0].model_class == "Car"
        return Answer([{"schemaId": data.classes[0].schema_id}])

    async with serving(hub, ModelPlugin("pl1", "sec1", work)):
        peer, _ = await hub.peer()
        classes = [{"schemaId": "s1", "modelClass": "Car"}]
        peer.emit("plugin", payload("M1", taskId="T1", workflow=True, categorySchema=classes), ack=True)
        assert await peer.text() == "43/plugin,1[]"
        method, path, body = hub.requests[-1]
        assert (method, path, body["answer"]["objects"]) == ("POST", "/v2/annotate/T1", [{"schemaId": "s1"}])


async def test_file_explorer_markdown_and_input(hub: ScriptedHub):
    def explore(data: FileExplorerPayload) -> object:
        assert (data.bucket, data.storage_id, data.scroll_token) == ("bk", "ST1", None)
        return "imported" if data.is_import else Listing(["f/"], ["a.png"])

    async with serving(hub, FileExplorerPlugin("pl1", "sec1", explore)):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("F1", bucket="bk", integrationId="ST1", folder="", upload=False, scrollToken=None))
        listing = {"folders": ["f/"], "files": ["a.png"], "scrollToken": None, "success": True}
        assert (await peer.event("response"))["response"] == listing
        peer.emit("plugin", payload("F2", bucket="bk", storageId="ST1", folder="f/", upload=True))
        assert (await peer.event("response"))["response"] == "imported"

    def write(data: MarkdownPayload) -> str:
        return ";".join(data.template.replace("|a|", row["a"]) for row in data.rows())

    async with serving(hub, MarkdownPlugin("pl1", "sec1", write)):
        peer, _ = await hub.peer()
        table = base64.b64encode("\ufeffa,b\n1,2\n\u00fc,4\n".encode()).decode()
        peer.emit("plugin", payload("K1", inputFile=table, markdownText="&lt;b&gt;|a|"))
        assert (await peer.event("response"))["response"] == "<b>1;<b>\u00fc"

    async with serving(hub, InputPlugin("pl1", "sec1", lambda data: f"{len(data.options)} options")):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("I1", fileExplorerOptions=[]))
        assert (await peer.event("response"))["response"] == "0 options"


async def test_other_loggers_go_to_the_run(hub: ScriptedHub):
    library = logging.getLogger("a.library")
    library.setLevel(logging.INFO)
    handler = LogHandler()
    library.addHandler(handler)
    library.warning("outside of a run")

    async def work(data: BatchModelPayload) -> str:
        library.info("inside")
        await asyncio.to_thread(library.info, "in a thread")
        return "done"

    try:
        async with serving(hub, batch(work)):
            peer, _ = await hub.peer()
            peer.emit("plugin", payload("B1"))
            assert [(await peer.event("log"))["msg"] for _ in range(2)] == ["inside", "in a thread"]
    finally:
        library.removeHandler(handler)


async def test_the_sdk_pages_and_explains(hub: ScriptedHub):
    hub.assets = [{"_id": str(number)} for number in range(250)]
    found: list[object] = []

    def work(data: BatchModelPayload) -> str:
        found.extend(asset["_id"] for asset in data.sdk.assets("P1"))
        data.sdk.api_key = "wrong"
        with pytest.raises(RequestFailed, match="401 Invalid API KEY"):
            data.sdk.get_project("P1")
        return "done"

    async with serving(hub, batch(work)):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"))
        assert (await peer.event("response"))["response"] == "done"
        assert found == [str(number) for number in range(250)]


async def test_bytes_go_as_attachments(hub: ScriptedHub):
    async with serving(hub, batch(lambda data: {"blob": b"\x00\x01"})):
        peer, _ = await hub.peer()
        peer.emit("plugin", payload("B1"))
        text = await peer.text()
        assert text == '451-/plugin,1["response",{"response":{"blob":{"_placeholder":true,"num":0}},"session":"B1"}]'
        assert await asyncio.wait_for(peer.messages.get(), 5) == b"\x00\x01"


def test_a_plugin_needs_its_secret():
    with pytest.raises(ValueError, match="pegboard hub create"):
        BatchModelPlugin("id", "", print)
