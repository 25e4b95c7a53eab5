"""Dask: tasks, cluster memory, and how both end. The only module that knows Dask's API."""

from __future__ import annotations

import importlib
import logging
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from pegboard._driver import Done, Ticket
from pegboard._errors import TaskFailed
from pegboard._nearby import join_or_start
from pegboard._remote import Answer, Common, Portable, interrupt, perform, portable
from pegboard._resources import Resources
from pegboard._wire import WireFailure

__all__ = ["DaskCluster", "DaskMemory"]

CONNECT_SECONDS: Final = 10
USED: Final = {
    "cluster_address",
    "scheduler_host",
    "scheduler_port",
    "scheduler_scheme",
    "dashboard_port",
    "cpus",
    "threads",
    "memory",
    "adaptive",
    "env_vars",
    "resources",
    "upload_plugins",
    "plugin_modules",
}
# Of the dialect, without a meaning here.
IDLE: Final = {"gpus", "pip"}


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ModuleNotFoundError as error:
        if error.name != "distributed":
            raise
        message = "the plugin's environment has no `distributed`"
        hint = "it was made before the executor was chosen: make it again with `pegboard upgrade`"
        raise TaskFailed(WireFailure("raised", "WorkflowExecutionError", message, None, hint)) from error


class DaskCluster:
    """A scheduler that runs elsewhere, or one of this machine's own."""

    kind = "dask"

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._client: Any = None
        self._cluster: Any = None
        for name in sorted(set(options) - USED):
            said = "is accepted and changes nothing" if name in IDLE else "is unknown"
            sys.stderr.write(f"executor dask: option `{name}` {said}\n")

    @property
    def _is_external(self) -> bool:
        return self._options.get("cluster_address") not in (None, "", "local")

    def connect(self) -> None:
        if self._client is not None:
            return
        _distributed()
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        if self._is_external:
            self._join(str(self._options["cluster_address"]))
        else:
            join_or_start("dask-cluster", self._join, self._start)
        if self._options.get("upload_plugins"):
            self.refresh()

    def _join(self, address: str) -> None:
        self._client = _distributed().Client(address, timeout=CONNECT_SECONDS, set_as_default=True)

    def _start(self) -> str:
        options = self._options
        cores = importlib.import_module("os").cpu_count() or 1
        cpus, threads = options.get("cpus", "auto"), options.get("threads", "auto")
        environment = {str(key): str(value) for key, value in (options.get("env_vars") or {}).items()}
        port = options.get("dashboard_port")
        self._cluster = _distributed().LocalCluster(
            n_workers=max(1, cores - 1) if cpus == "auto" else max(1, int(cpus)),
            threads_per_worker=1 if threads == "auto" else int(threads),
            memory_limit=options.get("memory", "auto"),
            host=options.get("scheduler_host", "127.0.0.1"),
            scheduler_port=int(options.get("scheduler_port", 0)),
            protocol=f"{options.get('scheduler_scheme', 'tcp')}://",
            dashboard_address=f":{port or 0}",
            env=environment or None,
            resources=options.get("resources") or None,
        )
        if options.get("adaptive"):
            self._cluster.adapt()
        self._join(self._cluster.scheduler_address)
        return str(self._cluster.scheduler_address)

    def refresh(self) -> bool:
        """Sends the plugin's packages to all workers, as a zip file each."""
        if not self._options.get("upload_plugins"):
            return False
        from pegboard._upload import zipped

        for name in self._options.get("plugin_modules", []):
            with zipped(name) as path:
                if path is not None:
                    self._client.upload_file(path)
        return True

    def host(self) -> str:
        return urlsplit(str(self._client.scheduler.address)).hostname or "127.0.0.1"

    def width(self) -> int:
        return max(1, int(sum(self._client.nthreads().values())))

    def check(self, stage: str, resources: Resources) -> None:
        asked = resources.named()
        if not asked:
            return
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        for name, required in asked.items():
            if name == "cpus":
                available = sum(worker["nthreads"] for worker in workers)
            elif name == "memory":
                available = sum(worker.get("memory_limit") or 0 for worker in workers)
            else:
                available = sum((worker.get("resources") or {}).get(name, 0) for worker in workers)
            if required > available:
                message = f"Insufficient resources to run stage {stage}. Required {required} {name} but only {available} available."
                hint = "ask for less in the stage's `resources`, or give the cluster's workers more"
                raise TaskFailed(WireFailure("raised", "RuntimeError", message, None, hint))

    def share(self, common: Common) -> Any:
        return self._client.scatter(common, hash=False)

    def submit(self, common: Any, items: list[Portable] | None, stage: str, resources: Resources, done: Done) -> Ticket:
        declared = {name: amount for name, amount in resources.named().items() if name not in ("cpus", "memory")}
        # A key of its own for every task: an earlier run's result is never taken for this one's.
        key = f"{stage}-{uuid.uuid4().hex}"
        future = self._client.submit(perform, common, items, key=key, pure=False, retries=0, resources=declared or None)
        future.add_done_callback(lambda ended: done(_outcome(ended)))
        return future  # type: ignore[no-any-return]

    def cancel(self, tickets: Sequence[Ticket], call: str, by_force: bool) -> None:
        if call:
            self._client.run(interrupt, call, on_error="ignore")
        self._client.cancel(list(tickets), force=True)

    def explain(self, error: BaseException, stage: str) -> WireFailure:
        message = f"stage `{stage}` lost its worker on the dask cluster: {type(error).__name__}: {error}"
        hint = "the worker was killed, ran out of memory or left by itself: look at its log on the cluster"
        return WireFailure("raised", "WorkflowExecutionError", message, None, hint)

    def lost(self) -> str | None:
        client = self._client
        if client is None or client.status == "running":
            return None
        return f"the connection to its scheduler is {client.status}"

    def disconnect(self) -> None:
        client, cluster = self._client, self._cluster
        self._client = self._cluster = None
        for each in (client, cluster):
            if each is not None:
                with suppress(Exception):
                    each.close(timeout=2)

    def memory(self) -> dict[str, Any]:
        return {}


def _outcome(future: Any) -> Answer | BaseException:
    try:
        return future.result(timeout=CONNECT_SECONDS)  # type: ignore[no-any-return]
    except BaseException as error:
        return error


class DaskMemory:
    """Values by namespace and key, held by the workers, published at the scheduler. They live until it stops."""

    def put(self, namespace: str, key: str, value: object) -> None:
        self.put_object(namespace, key, portable(value))

    def get(self, namespace: str, key: str) -> object:
        kept = self.get_object(namespace, key)
        return kept.load() if isinstance(kept, Portable) else kept

    def put_object(self, namespace: str, key: str, value: object) -> None:
        """As Dask itself moves it."""
        client = self._client()
        held = value.persist() if hasattr(value, "persist") else client.scatter(value, hash=False)
        client.publish_dataset(held, name=_name(namespace, key), override=True)

    def get_object(self, namespace: str, key: str) -> Any:
        distributed = _distributed()
        try:
            found = self._client().get_dataset(_name(namespace, key))
        except KeyError:
            raise KeyError(key) from None
        return found.result(timeout=CONNECT_SECONDS) if isinstance(found, distributed.Future) else found

    def exists(self, namespace: str, key: str) -> bool:
        return _name(namespace, key) in self._client().list_datasets()

    def delete(self, namespace: str, key: str) -> bool:
        found = self.exists(namespace, key)
        if found:
            self._client().unpublish_dataset(_name(namespace, key))
        return found

    def clear(self, namespace: str | None) -> None:
        client = self._client()
        start = "pegboard/" if namespace is None else _name(namespace, "")
        for name in list(client.list_datasets()):
            if str(name).startswith(start):
                client.unpublish_dataset(name)

    @staticmethod
    def _client() -> Any:
        return _distributed().get_client(timeout=CONNECT_SECONDS)


def _name(namespace: str, key: str) -> str:
    return f"pegboard/{namespace}/{key}"
