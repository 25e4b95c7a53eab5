"""The only start: `python -I <folder>/pegboard/__main__.py zygote --preload a,b`, or `… worker --control N --data N --dump N`.

The zygote's socket is its standard input. The folder is on the import path only while the package is imported: plugins see the
package, and nothing else that may lie there.
"""

from __future__ import annotations

import argparse
import os
import sys

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

sys.path.insert(0, FOLDER)
from pegboard import _host, _user_modules, _zygote, api  # noqa: E402, F401

sys.path.remove(FOLDER)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="pegboard")
    roles = parser.add_subparsers(dest="role", required=True)
    zygote = roles.add_parser("zygote")
    zygote.add_argument("--preload", default="")
    zygote.add_argument("--user-modules", default=None)
    worker = roles.add_parser("worker")
    for name in ("--control", "--data", "--dump"):
        worker.add_argument(name, type=int, required=True)
    worker.add_argument("--cpu-seconds", type=int, default=None)
    given = parser.parse_args(arguments)
    if given.role == "worker":
        from pegboard import _output

        _output.configure()
        return _host.Host(given.control, given.data, given.dump, given.cpu_seconds).run()
    if given.user_modules is not None:
        _user_modules.offer(given.user_modules)
    start = _zygote.Zygote(os.path.abspath(__file__)).run([name for name in given.preload.split(",") if name])
    if isinstance(start, int):
        return start
    return _host.Host(start.control, start.data, start.dump, start.cpu_seconds).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
