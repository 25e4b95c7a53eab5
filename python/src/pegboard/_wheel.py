"""Writes the wheels that plugin environments install: `pegboard`, `flowdapt` and `workbench`, which holds `sageworks`, too.

Run as `python -I _wheel.py <host folder> <output folder>` by any Python from 3.10; the host folder holds `pegboard/`. Prints one
JSON object, `{"result": "ok", "wheels": ["pegboard-….whl", …]}`, or `{"result": "error", "kind": …, "message": …}`
and leaves with status 0 either way. The same input gives the same bytes: no clock, no compression, sorted names.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FLOWDAPT_VERSION: Final = "0.1.52+pegboard"
SUMMARY: Final = "Native API and worker host of Pegboard"
FLOWDAPT_SUMMARY: Final = "What Flowdapt plugins import, provided by Pegboard"
# By extra. Nothing is required: an environment is made without a network, and a plugin brings what it imports. `field` is what the original
# brings along and plugins in the field import without saying so.
FLOWDAPT_EXTRAS: Final = {
    "frames": ("numpy>=1.26.4,<3", "pandas>=2.0.2", "pyarrow>=15"),
    "s3": ("fsspec>=2023.12", "s3fs>=2023.12.1"),
    "field": (
        "cloudpickle>=3.1.1",
        "fsspec>=2023.12",
        "numpy>=1.26.4,<3",
        "orjson>=3.10.15",
        "pandas>=2.0.2",
        "pyarrow>=15",
        "pydantic>=2.5.3,<3",
        "PyYAML>=6",
    ),
}
# What panels are made with, whoever's `workbench` they import. The versions are those that plugins in the field know: plotly 7 has other
# traces, pandas 3 other types.
DASHBOARD: Final = (
    "dash==4.2.0",
    "dash-ag-grid>=35.2,<36",
    "dash-bootstrap-components>=2.0.4,<3",
    "networkx>=3.2",
    "pandas>=2.2,<3",
    "plotly>=6.5,<7",
    "pyarrow>=15",
)
EXTRAS: Final = {"dashboard": DASHBOARD}
WORKBENCH_VERSION: Final = "0.8.466+pegboard"
WORKBENCH_SUMMARY: Final = "What Workbench dashboard plugins import, provided by Pegboard"
REQUIRES_PYTHON: Final = ">=3.10"
# Zip cannot say an earlier time.
EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def main(arguments: list[str]) -> dict[str, object]:
    if len(arguments) != 2:
        return {"result": "error", "kind": "usage", "message": "two arguments are needed: host folder and output folder"}
    host, output = Path(arguments[0]), Path(arguments[1])
    package = host / "pegboard"
    compat, workbench, sageworks = (package / "compat" / name for name in ("flowdapt", "workbench", "sageworks"))
    for folder in (package, compat, workbench, sageworks):
        if not folder.is_dir():
            return {"result": "error", "kind": "incomplete-host", "message": f"the host folder has no `{folder.relative_to(host)}`"}
    try:
        output.mkdir(parents=True, exist_ok=True)
        version = read_version(package / "_version.py")
        wheels = [
            write_wheel(output, "pegboard", version, SUMMARY, optional(EXTRAS), files(package, "pegboard", (compat, workbench, sageworks))),
            write_wheel(
                output,
                "flowdapt",
                FLOWDAPT_VERSION,
                FLOWDAPT_SUMMARY,
                [needs(version), *optional(FLOWDAPT_EXTRAS)],
                files(compat, "flowdapt"),
            ),
            write_wheel(
                output,
                "workbench",
                WORKBENCH_VERSION,
                WORKBENCH_SUMMARY,
                [needs(version), *optional(EXTRAS)],
                sorted(files(workbench, "workbench") + files(sageworks, "sageworks")),
                ("sageworks", "workbench"),
            ),
        ]
    except (OSError, ValueError) as error:
        return {"result": "error", "kind": "unwritable", "message": str(error)}
    return {"result": "ok", "wheels": wheels}


def read_version(path: Path) -> str:
    found = re.search(r'^__version__[^=]*= "([^"]+)"', path.read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"`{path}` names no version")
    return found.group(1)


def needs(version: str) -> str:
    """Line of the metadata: the host itself."""
    return f"Requires-Dist: pegboard=={version}"


def optional(extras: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Lines of the metadata, by extra."""
    lines = []
    for extra, requirements in extras.items():
        lines.append(f"Provides-Extra: {extra}")
        lines.extend(f'Requires-Dist: {requirement}; extra == "{extra}"' for requirement in requirements)
    return lines


def files(folder: Path, prefix: str, leave_out: tuple[Path, ...] = ()) -> list[tuple[str, bytes]]:
    """Name in the archive and content of each source file, sorted by name."""
    found: list[tuple[str, bytes]] = []
    for directory, folders, names in os.walk(folder):
        here = Path(directory)
        folders[:] = [name for name in folders if name != "__pycache__" and here / name not in leave_out]
        for name in names:
            if not name.endswith((".pyc", ".pyo")):
                path = here / name
                found.append((f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes()))
    return sorted(found)


def write_wheel(
    output: Path,
    name: str,
    version: str,
    summary: str,
    requires: list[str],
    content: list[tuple[str, bytes]],
    packages: tuple[str, ...] = (),
) -> str:
    """Writes beside the final name and renames, so that a reader never sees half a wheel."""
    folder = f"{name}-{version}.dist-info"
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        f"Summary: {summary}",
        "License: Apache-2.0",
        f"Requires-Python: {REQUIRES_PYTHON}",
        *requires,
    ]
    wheel = ["Wheel-Version: 1.0", "Generator: pegboard", "Root-Is-Purelib: true", "Tag: py3-none-any"]
    content = [
        *content,
        (f"{folder}/METADATA", ("\n".join(metadata) + "\n").encode()),
        (f"{folder}/WHEEL", ("\n".join(wheel) + "\n").encode()),
        (f"{folder}/top_level.txt", "".join(f"{each}\n" for each in packages or (name,)).encode()),
    ]
    record = "".join(f"{path},sha256={digest(body)},{len(body)}\n" for path, body in content)
    content.append((f"{folder}/RECORD", f"{record}{folder}/RECORD,,\n".encode()))
    file_name = f"{name}-{version}-py3-none-any.whl"
    partial = output / f".{file_name}.{os.getpid()}"
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for path, body in content:
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3
            archive.writestr(entry, body)
    partial.replace(output / file_name)
    return file_name


def digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1:])) + "\n")
