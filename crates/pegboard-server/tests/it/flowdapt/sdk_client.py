"""Drives the unmodified SDK through recorded steps: reads them from standard input, says what each call gave.

Arguments of a call are those of the recorded request. What the server chooses is taken from its answers: a placeholder such as
`<UUID-2>` in a recorded answer stands for the value that came in its place.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flowdapt_sdk import FlowdaptSDK

HOLE = re.compile(r"<(?:UUID|RUN_NAME)-\d+>")


def learn(recorded: Any, found: Any, known: dict[str, str]) -> None:
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key, value in recorded.items():
            learn(value, found.get(key), known)
    elif isinstance(recorded, list) and isinstance(found, list):
        for one, other in zip(recorded, found):
            learn(one, other, known)
    elif isinstance(recorded, str) and HOLE.fullmatch(recorded):
        known.setdefault(recorded, str(found))


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def type_name(value: Any) -> str:
    if isinstance(value, list):
        return type(value[0]).__name__ + "[]" if value else "[]"
    return type(value).__name__


def arguments(call: str, step: dict[str, Any], known: dict[str, str]) -> tuple[list[Any], dict[str, Any]]:
    method = call.split("(")[0]
    if not step.get("exchanges"):
        body = step["body"]
        return [body], {"version": "v1alpha2"}
    request = step["exchanges"][0]["request"]
    path = urlsplit(HOLE.sub(lambda hole: known[hole[0]], request["path"]))
    query = {key: values[-1] for key, values in parse_qs(path.query).items()}
    parts = path.path.strip("/").split("/")
    body = request.get("body")
    action = method.split(".")[-1]
    if action.startswith("create_"):
        # What the SDK makes up itself is left to it.
        metadata = {key: value for key, value in body["metadata"].items() if key in ("name", "annotations")}
        return [{**body, "metadata": metadata}], {}
    if action.startswith("update_"):
        metadata = {key: value for key, value in body["metadata"].items() if key in ("name", "annotations")}
        return [parts[1], {**body, "metadata": metadata}], {}
    if action == "run_workflow":
        options: dict[str, Any] = {"wait": query["wait"] == "True"}
        if "namespace" in query:
            options["namespace"] = query["namespace"]
        return [parts[1]], {**options, **({"input": body} if body else {})}
    if action == "list_workflow_runs":
        return [parts[1]], {"limit": int(query["limit"])}
    if action == "metrics":
        chosen = {"name": query["name"]} if "name" in query else {}
        return [], {**chosen, **({"max_length": int(query["max_length"])} if "max_length" in query else {})}
    if action == "get_plugin_file":
        return [parts[1], parts[3]], {}
    if action in ("get_workflow_run", "delete_workflow_run"):
        return [parts[2]], {}
    return parts[1:2], {}


async def main() -> None:
    url, steps = sys.argv[1], json.load(sys.stdin)
    known: dict[str, str] = {}
    outcomes = []
    sdk = FlowdaptSDK(url)
    for step in steps:
        target: Any = sdk
        for name in step["call"].split("(")[0].removeprefix("sdk.").split("."):
            target = getattr(target, name)
        outcome: dict[str, Any] = {"label": step["label"]}
        try:
            given, options = arguments(step["call"], step, known)
            result = await target(*given, **options)
            if hasattr(result, "__aiter__"):
                result = b"".join([part async for part in result])
        except Exception as error:
            outcome |= {"raises": type(error).__name__, "message": str(error)}
        else:
            outcome |= {"returns": type_name(result)}
            if isinstance(result, bytes):
                outcome["text"] = result.decode()
            if step["exchanges"]:
                learn(step["exchanges"][0]["response"].get("body"), plain(result), known)
        outcomes.append(outcome)
    print(json.dumps(outcomes))


asyncio.run(main())
