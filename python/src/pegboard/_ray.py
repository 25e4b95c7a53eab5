"""Ray: tasks, cluster memory, and how both end. The only module that knows Ray's API."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pegboard._driver import Done, Ticket
from pegboard._errors import TaskFailed
from pegboard._nearby import join_or_start
from pegboard._remote import Answer, Common, Portable, perform, portable
from pegboard._resources import Resources
from pegboard._spoken import RemoteServer
from pegboard._wire import WireFailure

__all__ = ["RayCluster", "RayMemory"]

NAMESPACE: Final = "pegboard"
ACTOR: Final = "RayClusterMemoryActor"
# Keys of the runtime environment that go to Ray as they are.
RUNTIME: Final = ("working_dir", "py_modules", "pip", "conda", "env_vars", "container")
USED: Final = {
    *RUNTIME,
    "cluster_address",
    "cpus",
    "gpus",
    "resources",
    "object_store_memory",
    "dashboard_host",
    "dashboard_port",
    "logging_level",
    "runtime_env_config",
    "upload_plugins",
    "cluster_memory_actor",
    "connection_monitor_interval",
    "ping_timeout",
    "ping_failure_threshold",
    "tasks_per_worker",
    "plugin_modules",
}
# Of the dialect, without a meaning here.
IDLE: Final = {
    "strategy",
    "log_to_driver",
    "mapper_actor",
    "max_reconnect_retries",
    "base_reconnect_delay",
    "max_reconnect_delay",
}


def _ray() -> Any:
    """The module. Says what to do when the environment has none."""
    _prepare()
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        message = "the plugin's environment has no `ray`"
        hint = "it was made before the executor was chosen: make it again with `pegboard upgrade`"
        raise TaskFailed(WireFailure("raised", "WorkflowExecutionError", message, None, hint)) from error


def _prepare() -> None:
    """Before the first import: its core reads the environment once."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    # A driver outlives its cluster; by default Ray would end the process.
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "86400")
    if "RAY_AUTH_MODE" not in os.environ:
        path = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
        if "RAY_AUTH_TOKEN" in os.environ or Path(path).is_file():
            os.environ["RAY_AUTH_MODE"] = "token"


class RayCluster:
    """A cluster that runs elsewhere, or one of this machine's own."""

    kind = "ray"

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._task: Any = None
        self._lost: str | None = None
        self._generation = 0
        for name in sorted(set(options) - USED):
            said = "is accepted and changes nothing" if name in IDLE else "is unknown"
            sys.stderr.write(f"executor ray: option `{name}` {said}\n")

    @property
    def _is_external(self) -> bool:
        return self._options.get("cluster_address") not in (None, "", "local")

    def connect(self) -> None:
        ray = _ray()
        if ray.is_initialized():
            return
        logging.getLogger("ray").setLevel(logging.ERROR)
        if self._is_external:
            self._join(str(self._options["cluster_address"]))
        else:
            join_or_start("ray-cluster", self._join, self._start)
        settings: dict[str, Any] = {"max_retries": 0}
        if self._options.get("tasks_per_worker"):
            settings["max_calls"] = int(self._options["tasks_per_worker"])
        self._task = ray.remote(**settings)(perform)
        self._lost = None
        self._generation += 1
        interval = self._options.get("connection_monitor_interval", 15)
        if interval is not None:
            threading.Thread(target=self._watch, args=(self._generation, float(interval)), name="pegboard-ray", daemon=True).start()

    def _join(self, address: str) -> None:
        _ray().init(address=address, **self._arguments())

    def _start(self) -> str:
        ray, options = _ray(), self._options
        given: dict[str, Any] = {"include_dashboard": False}
        for key, name in (("cpus", "num_cpus"), ("gpus", "num_gpus"), ("object_store_memory", "object_store_memory")):
            if options.get(key) not in (None, "auto"):
                given[name] = options[key]
        if options.get("resources"):
            given["resources"] = options["resources"]
        if "dashboard_port" in options or "dashboard_host" in options:
            given |= {"include_dashboard": True, "dashboard_port": int(options.get("dashboard_port", 9969))}
            given["dashboard_host"] = options.get("dashboard_host", "127.0.0.1")
        ray.init(address="local", **self._arguments(), **given)
        return str(ray.get_runtime_context().gcs_address)

    def _arguments(self) -> dict[str, Any]:
        # What tasks say comes on a channel of its own.
        level = str(self._options.get("logging_level") or "error").lower()
        arguments: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": level}
        environment = {key: self._options[key] for key in RUNTIME if self._options.get(key)}
        if self._options.get("runtime_env_config"):
            environment["config"] = self._options["runtime_env_config"]
        if self._uploads():
            environment["py_modules"] = [*environment.get("py_modules", []), *self._modules()]
        if environment:
            arguments["runtime_env"] = environment
        return arguments

    def _uploads(self) -> bool:
        return self._is_external and bool(self._options.get("upload_plugins", True))

    def _modules(self) -> list[str]:
        """Folders of the plugin's packages, and of what they need of us."""
        folders = []
        for name in ("pegboard", "flowdapt", *self._options.get("plugin_modules", [])):
            with suppress(ImportError):
                file = getattr(importlib.import_module(name.partition(".")[0]), "__file__", None)
                if file is not None and os.path.basename(file) == "__init__.py":
                    folders.append(os.path.dirname(file))
        return folders

    def refresh(self) -> bool:
        if not self._uploads():
            return False
        self.disconnect()
        self.connect()
        return True

    def host(self) -> str:
        return str(_ray().get_runtime_context().gcs_address).rpartition(":")[0]

    def width(self) -> int:
        return max(1, int(_ray().cluster_resources().get("CPU", 1)))

    def check(self, stage: str, resources: Resources) -> None:
        nodes = [node["Resources"] for node in _ray().nodes() if node["Alive"]]
        wanted = (("CPU", resources.cpus), ("GPU", resources.gpus), ("memory", resources.memory))
        asked = [(name, float(value)) for name, value in wanted if value]
        if any(all(node.get(name, 0.0) >= value for name, value in asked) for node in nodes):
            return
        for name, value in asked:
            most = max((node.get(name, 0.0) for node in nodes), default=0.0)
            if most < value:
                raise TaskFailed(_insufficient(stage, value, name, most))
        raise TaskFailed(_insufficient(stage, asked[0][1] if asked else 1.0, asked[0][0] if asked else "CPU", 0.0))

    def share(self, common: Common) -> Any:
        return _ray().put(common)

    def submit(self, common: Any, items: list[Portable] | None, stage: str, resources: Resources, done: Done) -> Ticket:
        options: dict[str, Any] = {"name": stage, "num_cpus": 1 if resources.cpus is None else resources.cpus}
        if resources.gpus is not None:
            options["num_gpus"] = resources.gpus
        if resources.memory is not None:
            options["memory"] = resources.memory
        if resources.labels:
            options["resources"] = dict(resources.labels)
        reference = self._task.options(**options).remote(common, items)
        reference.future().add_done_callback(lambda future: done(_outcome(future)))
        return reference  # type: ignore[no-any-return]

    def cancel(self, tickets: Sequence[Ticket], call: str, by_force: bool) -> None:
        for ticket in tickets:
            with suppress(Exception):
                _ray().cancel(ticket, force=by_force)

    def explain(self, error: BaseException, stage: str) -> WireFailure:
        first = str(error).strip().splitlines()
        said = first[0] if first else type(error).__name__
        if type(error).__name__.startswith("RayTaskError"):
            # Nothing that a stage raises comes this way: the task itself could not be read there.
            message = f"stage `{stage}` cannot be started on the ray cluster: {said}"
            hint = "its machines need the same Python and the same version of `pegboard` as the server: see the guide to executors"
            return WireFailure("raised", "WorkflowExecutionError", message, str(error), hint)
        message = f"stage `{stage}` lost its worker on the ray cluster: {type(error).__name__}: {said}"
        hint = "the worker was killed, ran out of memory or left by itself: look at its log on the cluster"
        return WireFailure("raised", "WorkflowExecutionError", message, str(error), hint)

    def lost(self) -> str | None:
        return self._lost

    def disconnect(self) -> None:
        self._generation += 1
        self._lost = None
        with suppress(Exception):
            _ray().shutdown()

    def memory(self) -> dict[str, Any]:
        return dict(self._options.get("cluster_memory_actor") or {})

    def _watch(self, generation: int, interval: float) -> None:
        """Asks the head whether it is there, as long as this connection lives."""
        ray = _ray()
        timeout = float(self._options.get("ping_timeout", 10.0))
        threshold = int(self._options.get("ping_failure_threshold", 3))
        failures = 0
        waited = threading.Event()
        while generation == self._generation:
            waited.wait(interval if not failures else min(interval, 1.0))
            if generation != self._generation:
                return
            try:
                ray._private.worker.global_worker.gcs_client.check_alive([], timeout=timeout)
                failures = 0
            except Exception as error:
                failures += 1
                if failures >= threshold and generation == self._generation:
                    self._lost = f"its head does not answer: {error}"
                    return


def _outcome(future: Any) -> Answer | BaseException:
    try:
        return future.result()  # type: ignore[no-any-return]
    except BaseException as error:
        return error


def _insufficient(stage: str, required: float, name: str, available: float) -> WireFailure:
    message = f"Insufficient resources to run stage `{stage}`. Required {required} {name} but only {available} available."
    hint = "ask for less in the stage's `resources`, or add a larger node to the cluster"
    return WireFailure("raised", "WorkflowExecutionError", message, None, hint)


class _Actor:
    """Keeps references; the values are in Ray's object store and belong to this actor."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], Any] = {}

    def put(self, namespace: str, key: str, value: Portable) -> None:
        self._values[namespace, key] = importlib.import_module("ray").put(value)

    def get(self, namespace: str, key: str) -> list[Any]:
        found = self._values.get((namespace, key))
        return [] if found is None else [found]

    def exists(self, namespace: str, key: str) -> bool:
        return (namespace, key) in self._values

    def delete(self, namespace: str, key: str) -> bool:
        return self._values.pop((namespace, key), None) is not None

    def clear(self, namespace: str | None) -> None:
        self._values = {} if namespace is None else {place: each for place, each in self._values.items() if place[0] != namespace}


class RayMemory:
    """Values by namespace and key, in the cluster. They live until the actor is killed, or the cluster ends."""

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        chosen = {**RemoteServer.memory_options(), **(options or {})}
        self._name = str(chosen.pop("name", ACTOR))
        self._settings = {"num_cpus": 0, "max_concurrency": 1000, **chosen}

    def put(self, namespace: str, key: str, value: object) -> None:
        self._ask("put", namespace, key, portable(value))

    def get(self, namespace: str, key: str) -> object:
        found = self._ask("get", namespace, key)
        if not found:
            raise KeyError(key)
        kept: Portable = _ray().get(found[0])
        return kept.load()

    def exists(self, namespace: str, key: str) -> bool:
        return bool(self._ask("exists", namespace, key))

    def delete(self, namespace: str, key: str) -> bool:
        return bool(self._ask("delete", namespace, key))

    def clear(self, namespace: str | None) -> None:
        self._ask("clear", namespace)

    def _ask(self, method: str, *arguments: Any) -> Any:
        ray = _ray()
        if not ray.is_initialized():
            raise RuntimeError("there is no connection to a ray cluster")
        actor = ray.remote(_Actor).options(name=self._name, namespace=NAMESPACE, lifetime="detached", get_if_exists=True, **self._settings)
        handle: Any = actor.remote()
        call: Callable[..., Any] = getattr(handle, method).remote
        return ray.get(call(*arguments))
