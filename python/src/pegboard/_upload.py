"""A package as a zip file that other machines can import from."""

from __future__ import annotations

import importlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def zipped(module: str) -> Iterator[str | None]:
    """The file lives as long as the block. None for what is no package of Python files."""
    name = module.partition(".")[0]
    file = getattr(importlib.import_module(name), "__file__", None)
    if file is None or os.path.basename(file) != "__init__.py":
        yield None
        return
    root = os.path.dirname(file)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"{name}.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for above, folders, files in os.walk(root):
                folders[:] = [each for each in folders if each != "__pycache__"]
                for each in files:
                    whole = os.path.join(above, each)
                    archive.write(whole, os.path.join(name, os.path.relpath(whole, root)))
        yield path
