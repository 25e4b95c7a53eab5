"""The dashboard against plain Dash on gunicorn with one worker: the same panels, the same requests."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Final

from .effort import Effort, rounds
from .report import Comparison, Row, Series
from .server import Server
from .workshop import ROOT, Workshop

__all__ = ["dashboard"]

PANELS: Final = 20
# Requests that a browser has open to one host at once.
CONNECTIONS: Final = 6
START_DEADLINE: Final = 300.0

# What a panel draws; both sides import the same text.
WORK: Final = """
import plotly.graph_objects as go


def drawn(name):
    return go.Figure(go.Bar(x=[name, "b", "c"], y=[1, 2, 3])).update_layout(title=name, height=300)
"""
PANEL: Final = """
import time

from dash import dcc
from panel_work import drawn
from workbench.web_interface.components.plugin_interface import PluginInputType, PluginInterface, PluginPage


class Panel{number}(PluginInterface):
    auto_load_page = PluginPage.MODEL
    plugin_input_type = PluginInputType.MODEL

    def create_component(self, component_id):
        self.properties = [("panel{number}", "figure")]
        return dcc.Graph(id="panel{number}")

    def update_properties(self, data_object, **kwargs):
        time.sleep({wait})
        return [drawn(data_object.name + "{said}")]
"""
# A callback of the panel's own: what plain Dash has, too.
CALLBACK: Final = """
    def register_internal_callbacks(self):
        from dash import Input, Output, callback

        @callback(Output("single", "figure"), Input("one", "data"))
        def single(rows):
            return drawn(rows[0]["name"])
"""


class Client:
    """One connection that is kept; as little work per request as Python allows, so that the server is what is measured."""

    def __init__(self, host: str, port: int) -> None:
        self._place = host, port
        self._socket = socket.create_connection(self._place)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._received()
        head, _, body = data.partition(b"\r\n\r\n")
        fields = {line.split(b":", 1)[0].lower(): line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")[1:]}
        length = int(fields.get(b"content-length", b"0"))
        while len(body) < length:
            body += self._received()
        if fields.get(b"connection", b"").lower() == b"close":
            self._socket.close()
            self._socket = socket.create_connection(self._place)
        return int(head.split(b" ", 2)[1]), body

    def _received(self) -> bytes:
        piece = self._socket.recv(1 << 18)
        if not piece:
            raise RuntimeError("the server closed the connection")
        return piece


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, body: object) -> bytes:
    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


def rate(place: tuple[str, int], request: bytes, count: int) -> float:
    """Requests per second over two connections."""
    clients = [Client(*place) for _ in range(2)]

    def work(client: Client) -> None:
        for _ in range(count // len(clients)):
            status, _ = client.ask(request)
            if status != 200:
                raise RuntimeError(f"answered {status}")

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.perf_counter() - begin)


def latency(place: tuple[str, int], request: bytes, count: int) -> float:
    """Median of one after the other."""
    client, times = Client(*place), []
    for _ in range(count):
        begin = time.perf_counter()
        client.ask(request)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def together(place: tuple[str, int], requests: list[bytes]) -> float:
    """Until the last answer, with as many connections as a browser has."""
    left, lock = list(requests), threading.Lock()

    def work() -> None:
        client = Client(*place)
        while True:
            with lock:
                if not left:
                    return
                request = left.pop()
            status, _ = client.ask(request)
            if status != 200:
                raise RuntimeError(f"answered {status}")

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin


def write_single(file: Path, said: str) -> None:
    file.write_text(PANEL.format(number="single", wait=0, said=said) + CALLBACK, encoding="utf-8")


def write_panels(folder: Path) -> None:
    for name in ("components", "packages"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "packages" / "panel_work.py").write_text(WORK, encoding="utf-8")
    write_single(folder / "components" / "single.py", "")
    for number in range(PANELS):
        text = PANEL.format(number=number, wait=0.02, said="")
        (folder / "components" / f"panel{number}.py").write_text(text, encoding="utf-8")


def started(shop: Workshop, folder: Path) -> tuple[subprocess.Popen[bytes], tuple[str, int]]:
    """gunicorn with the same panels."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PANELS": str(folder / "packages"), "COUNT": str(PANELS)}
    command = [
        str(shop.dash.parent / "gunicorn"),
        "-w",
        "1",
        "-k",
        "gthread",
        "--threads",
        "2",
        "-b",
        f"127.0.0.1:{port}",
        "dash_panels:server",
    ]
    with shop.log.open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT / "benches" / "peers", env=environment, stderr=log, stdout=log)
    end = time.monotonic() + START_DEADLINE
    while time.monotonic() < end:
        try:
            Client("127.0.0.1", port).ask(get("/_dash-layout"))
        except OSError:
            time.sleep(0.1)
        else:
            return process, ("127.0.0.1", port)
    raise RuntimeError("gunicorn did not start")


def settled(server: Server) -> list[dict[str, Any]]:
    end = time.monotonic() + START_DEADLINE
    while time.monotonic() < end:
        _, told = server.request("GET", "/api/v1/dashboard/plugins")
        if told["state"] == "ready" and all(plugin["state"] == "ready" for plugin in told["plugins"]):
            return list(told["plugins"])
        time.sleep(0.2)
    raise RuntimeError(f"the dashboard did not become ready: {told}")


def update_of(server: Server, panel: str) -> bytes:
    """The request that a browser makes when a row is selected."""
    _, specs = server.request("GET", "/ui/dash/_dash-dependencies")
    output = next(spec["output"] for spec in specs if spec["output"].startswith(f"..{panel}.figure..."))
    row = [{"name": "m"}]
    inputs = [{"id": "models_table", "property": "selectedRows", "value": row}]
    return post("/ui/dash/_dash-update-component", {"output": output, "outputs": [], "inputs": inputs, "changedPropIds": []})


def callback_of(prefix: str, output: str, store: str, count: int) -> bytes:
    each = [{"id": f"panel{number}", "property": "figure"} for number in range(count)]
    outputs: Any = each or {"id": "single", "property": "figure"}
    inputs = [{"id": store, "property": "data", "value": [{"name": "m"}]}]
    return post(
        f"{prefix}/_dash-update-component",
        {"output": output, "outputs": outputs, "inputs": inputs, "changedPropIds": [f"{store}.data"]},
    )


def private_bytes(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def save_to_live(server: Server, file: Path, request: bytes, number: int) -> float:
    """From a save until an update answers with the new text."""
    said, client = f"-saved{number}", Client(*server.address)
    begin = time.perf_counter()
    write_single(file, said)
    while said.encode() not in client.ask(request)[1]:
        time.sleep(0.005)
    return time.perf_counter() - begin


def dashboard(shop: Workshop, effort: Effort) -> list[Row]:
    """Layout, callbacks, twenty panels, saving, memory."""
    folder, data = shop.data / "panels", shop.data / "dashboard"
    write_panels(folder)
    series: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ("layout", "callbacks", "latency", "panels")}
    saves: list[float] = []
    os.environ["WORKBENCH_PLUGINS"] = str(folder)
    peer, place = started(shop, folder)
    try:
        with Server(shop.pegboard, data, shop.log) as server:
            settled(server)
            server.request("POST", "/api/v1/catalog/model/m", {"facts": {"model_type": "regressor"}})
            single = update_of(server, "panelsingle")
            ours = [update_of(server, f"panel{number}") for number in range(PANELS)]
            same, one = (callback_of(prefix, "single.figure", "one", 0) for prefix in ("/ui/dash", ""))
            every = ".." + "...".join(f"panel{number}.figure" for number in range(PANELS)) + ".."
            theirs = [callback_of("", every, "models_table", PANELS)]
            calls = max(100, effort.calls // 5)
            for number in rounds(effort):
                figures = {
                    "layout": (
                        rate(server.address, get("/ui/dash/_dash-layout"), calls * 10),
                        rate(place, get("/_dash-layout"), calls),
                    ),
                    "callbacks": (rate(server.address, same, calls), rate(place, one, calls)),
                    "latency": (latency(server.address, same, calls), latency(place, one, calls)),
                    "panels": (together(server.address, ours), together(place, theirs)),
                }
                saved = save_to_live(server, folder / "components" / "single.py", single, number)
                if number:
                    saves.append(saved)
                    for name, (our, their) in figures.items():
                        series[name][0].append(our)
                        series[name][1].append(their)
            workers = [plugin["process_id"] for plugin in settled(server) if "/panel" in plugin["file"]]
            memory = [float(private_bytes(process)) for process in workers]
    finally:
        del os.environ["WORKBENCH_PLUGINS"]
        peer.terminate()
        peer.wait()

    def row(name: str, what: str, unit: str, target: Comparison, higher: bool) -> Row:
        our, their = series[name]
        return Row(what, Series("", unit, our), Series("Dash on gunicorn", unit, their), target, higher)

    added = [our - their for our, their in zip(*series["latency"], strict=True)]
    return [
        row("layout", "dashboard: layout requests per second", "items/s", Comparison(factor=10), True),
        row("callbacks", "callbacks of one panel per second", "items/s", Comparison(factor=1), True),
        Row("median latency that is added to a callback", Series("", "ms", added), target=Comparison(limit=0.001)),
        row("panels", f"{PANELS} panels that wait 20 ms each, until the last one", "ms", Comparison(factor=3), False),
        Row("from a save until an update answers with the new code", Series("", "s", saves), target=Comparison(limit=1.0)),
        Row("memory of one further panel", Series("", "MB", memory), target=Comparison(limit=25e6)),
    ]
