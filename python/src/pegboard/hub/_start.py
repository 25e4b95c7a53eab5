"""How a script starts its plugin."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from pegboard.hub._client import Client
from pegboard.hub._errors import HubRefused
from pegboard.hub._logs import own
from pegboard.hub._plugins import Plugin

DEFAULT_HOST: Final = "http://127.0.0.1:8480"


def run(plugin: Plugin[Any] | Iterable[Plugin[Any]], host: str | None = None) -> None:
    """Serves the plugin, or several, until the process is told to stop (SIGINT or SIGTERM). `host`: else the variable `HOST`, else a
    hub on this machine. Leaves with status 1 when the hub does not accept the plugin."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(_main(plugin, host))
    except HubRefused as error:
        own.error("%s", error)
        sys.exit(1)


async def serve(plugin: Plugin[Any] | Iterable[Plugin[Any]], host: str | None = None) -> None:
    """The same inside of an application that has its own event loop. Ends when it is cancelled, or with `HubRefused`."""
    clients = _clients(plugin, host)
    await _all(clients)


async def _main(plugin: Plugin[Any] | Iterable[Plugin[Any]], host: str | None) -> None:
    clients = _clients(plugin, host)
    loop = asyncio.get_running_loop()

    def leave() -> None:
        for client in clients:
            client.stop()
        # The second signal is not asked to wait.
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)

    # Not in a thread that is not the main one.
    with suppress(ValueError, RuntimeError, NotImplementedError):
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, leave)
    await _all(clients)


def _clients(plugin: Plugin[Any] | Iterable[Plugin[Any]], host: str | None) -> list[Client]:
    plugins = [plugin] if isinstance(plugin, Plugin) else list(plugin)
    where = host or os.environ.get("HOST") or DEFAULT_HOST
    return [Client(one, where) for one in plugins]


async def _all(clients: list[Client]) -> None:
    tasks = [asyncio.ensure_future(client.serve()) for client in clients]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
