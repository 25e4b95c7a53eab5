"""Writes `fixtures/messages`. Run it after a message was added, then look at the difference: a changed file is a changed protocol."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from pegboard._messages import dump_json
from pegboard._session import head

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "messages"
VERSION = {"major": 1, "minor": 3}
FEATURES = ["shared-memory", "stack-dump", "executor", "invoke"]
CONTEXT = {
    "id": "run_1",
    "body": {
        "run": {"uid": "run_1", "name": "brave-otter", "workflow": "train"},
        "definition": {"kind": "workflow", "metadata": {"name": "train"}, "spec": {"stages": []}},
        "input": {"name": "Zoë"},
        "namespace": "default",
        "executor": "local",
        "config": {},
        "storage": {"protocol": "file", "base_path": "/var/lib/pegboard"},
    },
}
NONE = b"v\x80\x05N."
SEVEN = b"v\x80\x05K\x07."
SHARED = b"s" + struct.pack("<IQ", 0, 1 << 33)
FAILURE = {
    "kind": "raised",
    "class": "ValueError",
    "message": "You goofed up",
    "traceback": 'Traceback (most recent call last):\n  File "stages.py", line 3, in fail\nValueError: You goofed up\n',
    "hint": "look at line 3",
}
SHORT_FAILURE = {"kind": "raised", "class": "KeyError", "message": "'k'"}
SINGLE = {"kind": "single"}

MESSAGES: list[tuple[str, dict[str, Any], list[bytes]]] = [
    ("to-worker", {"type": "hello", "protocol": VERSION, "features": FEATURES, "inline_limit": 65536, "read_only": False}, []),
    ("to-worker", {"type": "ping", "sequence": 41}, []),
    ("to-worker", {"type": "cancel", "call": 7}, []),
    ("to-worker", {"type": "stop"}, []),
    (
        "to-worker",
        {
            "type": "load",
            "plugin": "digits",
            "modules": ["digits", "digits.stages"],
            "called": ["digits.charts"],
            "executor": {"target": "ray", "options": {"cluster_address": "127.0.0.1:6379", "cpus": 2}},
        },
        [],
    ),
    (
        "to-worker",
        {
            "type": "stage",
            "call": 7,
            "stage": "evaluate",
            "context": CONTEXT,
            "target": "digits.stages.evaluate",
            "arguments": [SINGLE, {"kind": "list", "count": 2}],
            "descriptors": 1,
        },
        [SHARED, SEVEN, NONE],
    ),
    ("to-worker", {"type": "expand", "call": 8, "stage": "train", "context": {"id": "run_1"}, "map_on": "grid"}, []),
    (
        "to-worker",
        {
            "type": "items",
            "call": 9,
            "stage": "train",
            "context": {"id": "run_1"},
            "target": "digits.stages.train",
            "map_on": "grid",
            "arguments": [SINGLE],
            "first": 256,
            "count": 2,
            "stop_on_failure": True,
        },
        [SEVEN, NONE, SEVEN],
    ),
    ("to-worker", {"type": "encode", "call": 10, "context": {"id": "run_1"}, "argument": {"kind": "list", "count": 2}}, [SEVEN, SEVEN]),
    ("to-worker", {"type": "response", "request": 3, "found": True, "failure": SHORT_FAILURE, "descriptors": 1}, [SHARED]),
    ("to-worker", {"type": "invoke", "call": 11, "target": "pegboard.panels.update"}, [b'j{"class":"Zo\xc3\xab"}']),
    (
        "from-worker",
        {"type": "hello", "protocol": VERSION, "features": FEATURES, "process_id": 4711, "python": "3.13.0", "stack_signal": 41},
        [],
    ),
    ("from-worker", {"type": "pong", "sequence": 41, "mapped_bytes": 209715200}, []),
    ("from-worker", {"type": "loaded", "seconds": 0.25}, []),
    ("from-worker", {"type": "items", "call": 9, "first": 256}, [SEVEN, b"e" + dump_json(SHORT_FAILURE)]),
    ("from-worker", {"type": "finished", "call": 7, "busy_us": 1250, "descriptors": 1}, [SHARED]),
    ("from-worker", {"type": "failed", "call": 7, "failure": FAILURE}, []),
    ("from-worker", {"type": "log", "records": [{"level": "info", "text": "Zoë: 3 models"}, {"level": "error", "text": "tab\there"}]}, []),
    ("from-worker", {"type": "progress", "done": 2.5, "total": 10.5, "message": "folds"}, []),
    ("from-worker", {"type": "request", "request": 3, "method": "memory_put", "namespace": "default", "key": "best"}, [SEVEN]),
    (
        "to-zygote",
        {
            "type": "fork",
            "request": 1,
            "fresh": False,
            "directory": "/var/lib/pegboard/work/1",
            "limits": {"memory_bytes": 4294967296, "open_files": 1024},
            "descriptors": 5,
        },
        [],
    ),
    (
        "from-zygote",
        {
            "type": "parked",
            "protocol": VERSION,
            "python": "3.13.0",
            "python_threads": 0,
            "imported": ["numpy"],
            "failed": [["pandas", "ImportError: numpy is too old"]],
            "seconds": 0.5,
        },
        [],
    ),
    ("from-zygote", {"type": "forked", "request": 1, "process_id": 4711, "descriptors": 1}, []),
    ("from-zygote", {"type": "fork_failed", "request": 1, "message": "[Errno 11] Resource temporarily unavailable"}, []),
    ("from-zygote", {"type": "exited", "process_id": 4711, "signal": 9}, []),
]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for channel, header, parts in MESSAGES:
        frame = head(dump_json(header), parts) + b"".join(parts)
        golden = {"channel": channel, "header": header, "parts": [part.hex() for part in parts], "frame": frame.hex()}
        name = f"{channel}-{header['type'].replace('_', '-')}.json"
        (FOLDER / name).write_text(json.dumps(golden, ensure_ascii=False, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
