"""Runs a hosted script as `python script.py` would, within limits that it cannot raise.

Started as `python -u -m pegboard._script LIMITS SCRIPT` by the engine; LIMITS is a JSON object (`memory_bytes`, `open_files`,
`processes`, `file_bytes`). The script finds its own folder at the head of `sys.path` and nothing of ours in `sys.argv`.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import sys
from collections.abc import Mapping
from contextlib import suppress


def apply(limits: Mapping[str, int | None]) -> None:
    """Of this process and all that it starts."""
    for kind, name in (
        (resource.RLIMIT_DATA, "memory_bytes"),
        (resource.RLIMIT_NOFILE, "open_files"),
        (resource.RLIMIT_NPROC, "processes"),
        (resource.RLIMIT_FSIZE, "file_bytes"),
    ):
        wanted = limits.get(name)
        if wanted is not None:
            _, hard = resource.getrlimit(kind)
            value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(kind, (value, value))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Not every container allows it; the limits above hold anyway.
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")


def main(arguments: list[str]) -> None:
    limits, script = arguments
    apply(json.loads(limits))
    sys.argv[:] = [script]
    # `-m` has put the working directory there.
    sys.path[0] = os.path.dirname(script)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
