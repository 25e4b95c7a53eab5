"""Where artifacts lie: a handful of operations on whole files, on this machine's disk, in this process, or wherever fsspec reaches.

Contract: paths are `/`-separated; a folder is made by writing into it; `write` replaces a file whole, so a reader sees the old content or
the new one; a missing file is a `FileNotFoundError`, deleting a missing folder is none.
"""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import IO, Any, Final, Protocol

from ...lib.optional import optional

__all__ = ["Files", "files_of"]

# Files that are being written.
PARTIAL: Final = ".partial-"
LOCAL: Final = ("file", "local")


class Files(Protocol):
    """One place. Can be pickled."""

    def names(self, folder: str) -> list[str]:
        """Files and folders right inside a folder, sorted; `FileNotFoundError` when there is no such folder."""

    def is_file(self, path: str) -> bool: ...
    def read(self, path: str) -> bytes: ...
    def open(self, path: str) -> IO[bytes]:
        """For reading."""

    def write(self, path: str, data: bytes) -> None: ...
    def remove(self, path: str) -> None: ...
    def remove_folder(self, folder: str) -> None: ...


class LocalFiles:
    """This machine's disk."""

    def names(self, folder: str) -> list[str]:
        return sorted(name for name in os.listdir(folder) if not name.startswith(PARTIAL))

    def is_file(self, path: str) -> bool:
        return os.path.isfile(path)

    def read(self, path: str) -> bytes:
        return Path(path).read_bytes()

    def open(self, path: str) -> IO[bytes]:
        return open(path, "rb")

    def write(self, path: str, data: bytes) -> None:
        # Here and below: many a worker never writes an artifact, and its start counts.
        import tempfile

        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(prefix=PARTIAL, dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.chmod(partial, 0o644)
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise

    def remove(self, path: str) -> None:
        os.remove(path)

    def remove_folder(self, folder: str) -> None:
        import shutil

        shutil.rmtree(folder, ignore_errors=not os.path.exists(folder))


class MemoryFiles:
    """This process, where fsspec, whose `memory` it would be, is not installed."""

    def names(self, folder: str) -> list[str]:
        prefix = folder.rstrip("/") + "/"
        with _memory_lock:
            found = sorted({path[len(prefix) :].partition("/")[0] for path in _memory if path.startswith(prefix)})
        if not found:
            raise FileNotFoundError(folder)
        return found

    def is_file(self, path: str) -> bool:
        return path in _memory

    def read(self, path: str) -> bytes:
        try:
            return _memory[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def open(self, path: str) -> IO[bytes]:
        return io.BytesIO(self.read(path))

    def write(self, path: str, data: bytes) -> None:
        with _memory_lock:
            _memory[path] = data

    def remove(self, path: str) -> None:
        with _memory_lock:
            if _memory.pop(path, None) is None:
                raise FileNotFoundError(path)

    def remove_folder(self, folder: str) -> None:
        prefix = folder.rstrip("/") + "/"
        with _memory_lock:
            for path in [path for path in _memory if path.startswith(prefix)]:
                del _memory[path]


_memory: Final[dict[str, bytes]] = {}
_memory_lock: Final = threading.Lock()


class RemoteFiles:
    """A file system of fsspec. What others write is seen: listings are not kept."""

    def __init__(self, protocol: str, parameters: dict[str, Any]) -> None:
        self._protocol = protocol
        self._parameters = parameters
        self._system: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_system": None}

    @property
    def system(self) -> Any:
        if self._system is None:
            fsspec = optional("fsspec", purpose=f"an artifact on `{self._protocol}`")
            if self._protocol in ("s3", "s3a"):
                optional("s3fs", purpose=f"an artifact on `{self._protocol}`")
            self._system = fsspec.filesystem(self._protocol, **self._parameters)
        return self._system

    def names(self, folder: str) -> list[str]:
        self.system.invalidate_cache(folder)
        found = {str(path).rstrip("/").rpartition("/")[2] for path in self.system.ls(folder, detail=False)}
        # A bucket may list the folder itself.
        return sorted(found - {"", folder.rstrip("/").rpartition("/")[2]})

    def is_file(self, path: str) -> bool:
        self.system.invalidate_cache(path.rpartition("/")[0])
        return bool(self.system.isfile(path))

    def read(self, path: str) -> bytes:
        return bytes(self.system.cat_file(path))

    def open(self, path: str) -> IO[bytes]:
        return self.system.open(path, "rb")  # type: ignore[no-any-return]

    def write(self, path: str, data: bytes) -> None:
        self.system.makedirs(path.rpartition("/")[0], exist_ok=True)
        self.system.pipe_file(path, data)

    def remove(self, path: str) -> None:
        self.system.rm_file(path)

    def remove_folder(self, folder: str) -> None:
        self.system.invalidate_cache(folder)
        if self.system.exists(folder):
            self.system.rm(folder, recursive=True)


def files_of(protocol: str, parameters: dict[str, Any]) -> Files:
    """The place that a protocol names. A protocol that needs packages which are absent fails on the first use, not here."""
    if protocol in LOCAL:
        return LocalFiles()
    if protocol == "memory":
        try:
            import fsspec  # noqa: F401
        except ImportError:
            return MemoryFiles()
    return RemoteFiles(protocol, parameters)
