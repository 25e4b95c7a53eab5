"""Compiles the modules of the environment that runs this, sharing byte code with environments that have the same files.

Run as `python -I -c <this text> <cache folder>`; prints one JSON object: how many files were compiled and how many shared. Files
of one cached wheel are hard links to each other, so they have one inode: byte code is kept under that number, with the time and
size that Python itself checks when it loads byte code. Tests that packages bring are left for their first import.
"""

from __future__ import annotations

import compileall
import importlib.util
import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Final

LEFT_OUT: Final = {"__pycache__", "test", "tests"}


def sources(folder: str) -> Iterator[str]:
    for directory, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in names:
            if name.endswith(".py"):
                yield os.path.join(directory, name)


def entry_of(cache: str, about: os.stat_result) -> str:
    tag = f"{sys.implementation.cache_tag}-{importlib.util.MAGIC_NUMBER.hex()}"
    number = f"{about.st_ino:x}"
    return os.path.join(cache, tag, number[-2:], f"{number}-{about.st_mtime_ns:x}-{about.st_size:x}.pyc")


def link(source: str, target: str) -> bool:
    try:
        os.link(source, target)
    except FileExistsError:
        return True
    except OSError:
        # The target's folder may be missing; a source that is missing as well fails again.
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.link(source, target)
        except OSError:
            return False
    return True


def compile_all(paths: list[str]) -> None:
    one = partial(compileall.compile_file, quiet=2)
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)
    if workers > 1 and len(paths) > 100:
        try:
            with ProcessPoolExecutor(workers) as pool:
                list(pool.map(one, paths, chunksize=16))
            return
        except (ImportError, NotImplementedError, OSError):
            pass  # no semaphores here
    for path in paths:
        one(path)


def main(cache: str) -> dict[str, int]:
    shared = 0
    missing: list[tuple[str, str | None]] = []
    for path in sources(sysconfig.get_paths()["purelib"]):
        about = os.stat(path)
        entry = entry_of(cache, about) if about.st_nlink > 1 else None
        if entry and os.path.exists(entry) and link(entry, importlib.util.cache_from_source(path)):
            shared += 1
        else:
            missing.append((path, entry))
    compile_all([path for path, _ in missing])
    for path, entry in missing:
        if entry:
            link(importlib.util.cache_from_source(path), entry)
    return {"compiled": len(missing), "shared": shared}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1])) + "\n")
