"""The server's configuration as stage code sees it.

In a worker it is what the server says of the run, over the defaults. Elsewhere, as in a plugin's tests, it is made of the variables
`FLOWDAPT__…`, anew whenever they change, until somebody sets one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from pegboard import api

from .model import Fields, Model
from .utils.names import generate_name

__all__ = [
    "APISettings",
    "ComputeSettings",
    "Configuration",
    "DatabaseSettings",
    "EventBusSettings",
    "ExecutorSettings",
    "LoggingSettings",
    "RPCSettings",
    "ServicesSettings",
    "StorageSettings",
    "TelemetrySettings",
    "config_from_env",
    "get_app_dir",
    "get_configuration",
    "set_app_dir",
    "set_configuration",
]

PREFIX: Final = "FLOWDAPT"
# Read by the command line, not part of the configuration's tree.
NOT_SETTINGS: Final = frozenset({"app_dir", "config_file"})


class APISettings(Model):
    known: ClassVar[Fields] = {"host": ("127.0.0.1", None), "port": (8080, int)}
    host: str
    port: int


class EventBusSettings(Model):
    known: ClassVar[Fields] = {"url": ("memory://", None)}
    url: str


class RPCSettings(Model):
    known: ClassVar[Fields] = {"api": ({}, APISettings.model_validate), "event_bus": ({}, EventBusSettings.model_validate)}
    api: APISettings
    event_bus: EventBusSettings


class _Targeted(Model):
    """Names a class; what else is said goes to its constructor."""

    target: str

    def __init__(self, **fields: Any) -> None:
        named = fields.pop("__target__", None)
        super().__init__(**{**fields, "target": fields.get("target") or named})


class DatabaseSettings(_Targeted):
    known: ClassVar[Fields] = {"target": ("flowdapt.lib.database.storage.tdb.TinyDBStorage", None)}


class ExecutorSettings(_Targeted):
    known: ClassVar[Fields] = {"target": ("flowdapt.compute.executor.local.LocalExecutor", None)}


class LoggingSettings(Model):
    known: ClassVar[Fields] = {
        "level": ("INFO", None),
        "format": ("console", None),
        "include_trace_id": (False, None),
        "show_tracebacks": (False, None),
        "traceback_show_locals": (False, None),
        "traceback_max_frames": (10, None),
    }
    level: str
    format: str
    include_trace_id: bool
    show_tracebacks: bool
    traceback_show_locals: bool
    traceback_max_frames: int


class StorageSettings(Model):
    known: ClassVar[Fields] = {"protocol": ("file", str), "base_path": ("", str), "parameters": ({}, None)}
    protocol: str
    base_path: str
    parameters: dict[str, Any]


class ComputeSettings(Model):
    known: ClassVar[Fields] = {
        "executor": ({}, ExecutorSettings.model_validate),
        "default_namespace": ("default", str),
        "default_os_strategy": ("fallback", str),
        "run_retention_duration": (-1, None),
    }
    executor: ExecutorSettings
    default_namespace: str
    default_os_strategy: str
    run_retention_duration: int | str


def _compute(value: Any) -> Any:
    return value if value == "disabled" else ComputeSettings.model_validate(value)


class ServicesSettings(Model):
    known: ClassVar[Fields] = {"compute": ({}, _compute)}
    # The word `disabled` in place of settings switches the service off.
    compute: ComputeSettings


class TelemetrySettings(Model):
    known: ClassVar[Fields] = {
        "enabled": (False, None),
        "endpoint": ("http://localhost:4318", None),
        "protocol": ("http", None),
        "compression": ("none", None),
        "timeout": (10, None),
        "headers": (None, None),
        "trace_export_timeout_ms": (30000, None),
        "trace_export_batch_size": (512, None),
        "trace_schedule_delay_ms": (5000, None),
        "trace_max_queue_size": (2048, None),
        "metrics_max_storage_time_s": (21600, None),
        "metrics_interval_ms": (5000, None),
        "metrics_export_timeout_ms": (10000, None),
    }
    enabled: bool
    endpoint: str


class Configuration(Model):
    known: ClassVar[Fields] = {
        "name": ("", None),
        "rpc": ({}, RPCSettings.model_validate),
        "database": ({}, DatabaseSettings.model_validate),
        "logging": ({}, LoggingSettings.model_validate),
        "storage": ({}, StorageSettings.model_validate),
        "services": ({}, ServicesSettings.model_validate),
        "telemetry": ({}, TelemetrySettings.model_validate),
        "drain_on_sigterm": (False, None),
        "drain_timeout_seconds": (300, None),
    }
    name: str
    rpc: RPCSettings
    database: DatabaseSettings
    logging: LoggingSettings
    storage: StorageSettings
    services: ServicesSettings
    telemetry: TelemetrySettings
    drain_on_sigterm: bool
    drain_timeout_seconds: int

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.name = self.name or f"flowdapt.{generate_name()}"

    @property
    def app_dir(self) -> Path | None:
        return get_app_dir()


class _State:
    def __init__(self) -> None:
        self.chosen: Configuration | None = None
        self.made: Configuration | None = None
        self.made_of: object = None
        self.app_dir: Path | None = None


_state: Final = _State()


def get_configuration(use_temp: bool = True) -> Configuration:
    """The configuration that was set; without one a temporary one, unless `use_temp` is false: `RuntimeError`."""
    if _state.chosen is not None:
        return _state.chosen
    run = api.current_run()
    if run is None and not use_temp:
        raise RuntimeError("no configuration has been set")
    said: dict[str, Any] = {}
    if run is not None:
        said = {key: value for key, value in run.configuration.items() if key not in NOT_SETTINGS}
        storage = dict(run.storage)
        strategy = storage.pop("default_os_strategy", None)
        said["storage"] = {**(said.get("storage") or {}), **storage}
        if strategy:
            said = _merged(said, {"services": {"compute": {"default_os_strategy": strategy}}})
    prefix = f"{PREFIX}__"
    variables = sorted((name, value) for name, value in os.environ.items() if name.upper().startswith(prefix))
    made_of = (variables, said)
    if _state.made is None or _state.made_of != made_of:
        _state.made = Configuration(**_merged(_tree(dict(variables), PREFIX), said))
        _state.made_of = made_of
    return _state.made


def set_configuration(configuration: Configuration | None) -> None:
    """Of this process; None goes back to the temporary one."""
    _state.chosen = configuration


def chosen_configuration() -> Configuration | None:
    """What was set, if anything was."""
    return _state.chosen


def get_app_dir() -> Path | None:
    """The application directory, if one was set here, said by the server, or named by `FLOWDAPT__APP_DIR`."""
    if _state.app_dir is not None:
        return _state.app_dir
    run = api.current_run()
    named = (run.configuration.get("app_dir") if run is not None else None) or os.environ.get(f"{PREFIX}__APP_DIR")
    return Path(named).expanduser() if named else None


def set_app_dir(path: str | os.PathLike[str] | None) -> None:
    _state.app_dir = None if path is None else Path(path)


async def config_from_env(dotenv_files: Iterable[str | os.PathLike[str]] = (), env_prefix: str = PREFIX) -> Configuration:
    """Defaults, under the variables in the files, under those of the environment. A file that is not there is an error."""
    found: dict[str, str] = {}
    for path in dotenv_files:
        found.update(_read_dotenv(Path(path).read_text("utf-8")))
    found.update(os.environ)
    return Configuration(**_tree(found, env_prefix))


def _tree(variables: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """`PREFIX__A__B=1` as `{"a": {"b": 1}}`."""
    tree: dict[str, Any] = {}
    for name, text in sorted(variables.items()):
        if not name.upper().startswith(f"{prefix.upper()}__"):
            continue
        path = name[len(prefix) + 2 :].lower().replace("____target__", "__target").split("__")
        if not all(path) or path[0] in NOT_SETTINGS:
            continue
        value: Any = _converted(text)
        for key in reversed(path):
            value = {key: value}
        tree = _merged(tree, value)
    return tree


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        before = result.get(key)
        result[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def _converted(text: str) -> Any:
    lowered = text.strip().lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered in ("none", "null"):
        return None
    for kind in (int, float):
        try:
            return kind(lowered)
        except ValueError:
            pass
    if lowered.startswith(("{", "[")):
        try:
            return json.loads(text)
        except ValueError:
            pass
    return text


def _read_dotenv(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name or name.startswith("#"):
            continue
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        found[name] = value[1:-1] if is_quoted else value.partition(" #")[0].rstrip()
    return found
