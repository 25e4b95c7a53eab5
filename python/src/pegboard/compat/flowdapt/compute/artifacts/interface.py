"""Artifacts: named folders of files with a small map of metadata.

Layout: `<base path>/artifacts/<namespace>/<name>/`, files inside, no folders; metadata in `.artifact.json`. Files are replaced whole, so
a reader sees the old content or the new one.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from .files import Files, LocalFiles

__all__ = ["Artifact", "ArtifactFile"]

METADATA_FILE: Final = ".artifact.json"
NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


class _Buffer(io.BytesIO):
    """Keeps its content when the one who writes closes it."""

    def close(self) -> None:
        self.flush()


class ArtifactFile:
    """One file of an artifact."""

    __slots__ = ("artifact", "name")

    def __init__(self, artifact: Artifact, name: str) -> None:
        self.artifact = artifact
        self.name = name

    @property
    def path(self) -> str:
        return f"{self.artifact.path}/{self.name}"

    @contextmanager
    def open(self, mode: str = "r") -> Iterator[IO[Any]]:
        """A file object; written content is there when the block ends well."""
        is_binary = "b" in mode
        if not any(letter in mode for letter in "wax+"):
            with self.artifact._open(self.name) as binary:
                yield binary if is_binary else io.TextIOWrapper(binary, encoding="utf-8")
            return
        there = self.artifact.has_file(self.name)
        if "x" in mode and there:
            raise FileExistsError(f"File `{self.name}` already exists in artifact `{self.artifact.name}`")
        buffer = _Buffer(self.read() if there and any(letter in mode for letter in "ar") else b"")
        if "a" in mode:
            buffer.seek(0, io.SEEK_END)
        yield buffer if is_binary else io.TextIOWrapper(buffer, encoding="utf-8", write_through=True)
        self.write(buffer.getvalue())

    def read(self, size: int = -1, mode: str = "rb") -> Any:
        with self.open(mode) as file:
            return file.read(size)

    def write(self, content: str | bytes) -> int:
        """Replaces the content."""
        data = content.encode() if isinstance(content, str) else bytes(content)
        self.artifact._store(self.name, data)
        return len(data)

    def remove(self) -> None:
        self.artifact.delete_file(self.name)

    def __repr__(self) -> str:
        return f"ArtifactFile({self.path!r})"


class Artifact:
    """A folder of files. True when it holds any."""

    def __init__(self, name: str, namespace: str, path: str, protocol: str = "file", files: Files | None = None) -> None:
        """`path` is that of the artifact's own folder."""
        self.name = name
        self._namespace = namespace
        self._protocol = protocol
        self._path = path
        self._files: Files = files or LocalFiles()
        self._metadata: dict[str, Any] = {}
        # Files written in a transaction that is open.
        self._held: dict[str, bytes] | None = None

    @property
    def namespace(self) -> str:
        return self._namespace

    @property
    def path(self) -> str:
        return self._path

    @property
    def uri(self) -> str:
        return f"{self._protocol}://{self.path}"

    @property
    def exists(self) -> bool:
        return self._files.is_file(self._file(METADATA_FILE))

    @property
    def metadata(self) -> dict[str, Any]:
        self._read_metadata()
        return self._metadata

    @property
    def is_empty(self) -> bool:
        return not self.list_files()

    def __bool__(self) -> bool:
        return not self.is_empty

    def list_files(self, include_meta: bool = False) -> list[ArtifactFile]:
        """Sorted by name."""
        self._check()
        names = self._files.names(self._path)
        return [ArtifactFile(self, name) for name in names if include_meta or name != METADATA_FILE]

    def __iter__(self) -> Iterator[ArtifactFile]:
        return iter(self.list_files())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.has_file(name)

    def has_file(self, name: str) -> bool:
        path = self._file(name)
        return (self._held is not None and name in self._held) or self._files.is_file(path)

    def get_file(self, name: str, create: bool = False) -> ArtifactFile:
        self._check()
        if not self.has_file(name):
            if not create:
                raise FileNotFoundError(f"No file `{name}` in artifact `{self.name}`")
            self._store(name, b"")
        return ArtifactFile(self, name)

    def new_file(self, name: str, content: str | bytes | None = None, *, exist_ok: bool = True) -> ArtifactFile:
        """A file with this content; one that is there is given back unchanged."""
        self._check()
        file = ArtifactFile(self, name)
        if self.has_file(name):
            if not exist_ok:
                raise FileExistsError(f"File `{name}` already exists in artifact `{self.name}`")
            return file
        file.write(b"" if content is None else content)
        return file

    def delete_file(self, name: str) -> None:
        self._check()
        if not self.has_file(name):
            raise FileNotFoundError(f"No file `{name}` in artifact `{self.name}`")
        written = self._files.is_file(self._file(name))
        if self._held is not None:
            self._held.pop(name, None)
        if written:
            self._files.remove(self._file(name))

    def get_meta(self, key: str, default: Any = None) -> Any:
        return self.metadata.get(key, default)

    def set_meta(self, key: str, value: Any) -> None:
        self._read_metadata()
        self._metadata[key] = value
        self._write_metadata()

    def del_meta(self, key: str) -> None:
        self._read_metadata()
        del self._metadata[key]
        self._write_metadata()

    def __getitem__(self, key: str) -> Any:
        return self.get_meta(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self.set_meta(key, value)

    def __delitem__(self, key: str) -> None:
        self.del_meta(key)

    def clear(self) -> None:
        """Removes the files; the recorded metadata stays."""
        for file in self.list_files():
            file.remove()
        self._metadata = {}

    def delete(self) -> None:
        self._check()
        self._files.remove_folder(self._path)

    @contextmanager
    def transaction(self) -> Iterator[Artifact]:
        """Writes inside the block appear at its end, or not at all when it raises."""
        self._held = {}
        try:
            yield self
            held, self._held = self._held, None
            for name, data in held.items():
                self._store(name, data)
        finally:
            self._held = None

    def __repr__(self) -> str:
        return f"Artifact(name={self.name!r}, namespace={self._namespace!r})"

    def create(self) -> None:
        """The folder and empty metadata."""
        self._write_metadata()

    def _file(self, name: str) -> str:
        if not name or name in (".", "..") or "/" in name or "\0" in name:
            raise ValueError(f"`{name}` is no name of a file in an artifact")
        return f"{self._path}/{name}"

    def _check(self) -> None:
        if not self.exists:
            raise FileNotFoundError(f"No Artifact existing in namespace `{self._namespace}` with the path `{self.name}`")

    def _open(self, name: str) -> IO[bytes]:
        path = self._file(name)
        if self._held is not None and name in self._held:
            return io.BytesIO(self._held[name])
        return self._files.open(path)

    def _store(self, name: str, data: bytes) -> None:
        path = self._file(name)
        self._check()
        if self._held is not None:
            self._held[name] = data
        else:
            self._files.write(path, data)

    def _read_metadata(self) -> None:
        try:
            text = self._files.read(self._file(METADATA_FILE))
        except FileNotFoundError:
            self._check()
            text = b""
        found = json.loads(text or b"{}")
        self._metadata = found if isinstance(found, dict) else {}

    def _write_metadata(self) -> None:
        self._files.write(self._file(METADATA_FILE), json.dumps(self._metadata, default=_plain).encode())


def _plain(value: Any) -> Any:
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)
