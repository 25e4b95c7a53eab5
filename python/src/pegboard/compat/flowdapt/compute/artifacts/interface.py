"""Artifacts: named folders of files with a small map of metadata.

Layout: `<base path>/artifacts/<namespace>/<name>/`, files inside, no folders; metadata in `.artifact.json`. Files are replaced whole, so
a reader sees the old content or the new one.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from ..resources.workflow.context import get_run_context

__all__ = ["Artifact", "ArtifactFile"]

METADATA_FILE: Final = ".artifact.json"
# Files that are being written.
PARTIAL: Final = ".partial-"
NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


class ArtifactFile:
    """One file of an artifact."""

    __slots__ = ("artifact", "name")

    def __init__(self, artifact: Artifact, name: str) -> None:
        self.artifact = artifact
        self.name = name

    @property
    def path(self) -> str:
        return os.path.join(self.artifact.path, self.name)

    @contextmanager
    def open(self, mode: str = "r") -> Iterator[IO[Any]]:
        """A file object; written content is there when the block ends well."""
        if not any(letter in mode for letter in "wax+"):
            with open(self.path, mode) as file:
                yield file
            return
        before = self.read() if any(letter in mode for letter in "ar") and os.path.exists(self.path) else b""
        binary = io.BytesIO(before)
        if "a" in mode:
            binary.seek(0, io.SEEK_END)
        target: IO[Any] = binary if "b" in mode else io.TextIOWrapper(binary, encoding="utf-8", write_through=True)
        yield target
        self.write(binary.getvalue())

    def read(self, size: int = -1, mode: str = "rb") -> Any:
        with open(self.path, mode) as file:
            return file.read(size)

    def write(self, content: str | bytes) -> int:
        """Replaces the content."""
        data = content.encode() if isinstance(content, str) else bytes(content)
        self.artifact._store(self.name, data)
        return len(data)

    def remove(self) -> None:
        os.remove(self.path)

    def __repr__(self) -> str:
        return f"ArtifactFile({self.path!r})"


class Artifact:
    """A folder of files. True when it holds any."""

    def __init__(self, name: str, namespace: str, base_path: str, protocol: str = "file") -> None:
        self.name = name
        self._namespace = namespace
        self._protocol = protocol
        self._folder = Path(base_path) / "artifacts" / namespace / name
        self._metadata: dict[str, Any] = {}
        # Files written in a transaction that is open.
        self._held: dict[str, bytes] | None = None

    @property
    def namespace(self) -> str:
        return self._namespace

    @property
    def path(self) -> str:
        return str(self._folder)

    @property
    def uri(self) -> str:
        return f"{self._protocol}://{self.path}"

    @property
    def exists(self) -> bool:
        return (self._folder / METADATA_FILE).exists()

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
        names = sorted(entry.name for entry in os.scandir(self._folder) if entry.is_file() and not entry.name.startswith(PARTIAL))
        return [ArtifactFile(self, name) for name in names if include_meta or name != METADATA_FILE]

    def __iter__(self) -> Iterator[ArtifactFile]:
        return iter(self.list_files())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.has_file(name)

    def has_file(self, name: str) -> bool:
        return self._path(name).is_file() or (self._held is not None and name in self._held)

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
        self._path(name).unlink()

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
        shutil.rmtree(self._folder)

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
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write_metadata()

    def _path(self, name: str) -> Path:
        if not name or name in (".", "..") or "/" in name or "\0" in name:
            raise ValueError(f"`{name}` is no name of a file in an artifact")
        return self._folder / name

    def _check(self) -> None:
        if not self._folder.is_dir():
            raise FileNotFoundError(f"No Artifact existing in namespace `{self._namespace}` with the path `{self.name}`")

    def _store(self, name: str, data: bytes) -> None:
        self._check()
        path = self._path(name)
        if self._held is not None:
            self._held[name] = data
            return
        descriptor, partial = tempfile.mkstemp(prefix=PARTIAL, dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.chmod(partial, 0o644)
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise

    def _read_metadata(self) -> None:
        self._check()
        try:
            found = json.loads((self._folder / METADATA_FILE).read_bytes() or b"{}")
        except FileNotFoundError:
            found = {}
        self._metadata = found if isinstance(found, dict) else {}

    def _write_metadata(self) -> None:
        held, self._held = self._held, None
        try:
            self._store(METADATA_FILE, json.dumps(self._metadata, default=_plain).encode())
        finally:
            self._held = held


def locate(name: str, namespace: str, protocol: str, base_path: str) -> Artifact:
    """Where an artifact is or would be; empty arguments come from the run."""
    if not NAME.fullmatch(name):
        raise ValueError(f"Artifact `name` can only contain alphanumeric characters, underscores, and hyphens. Got: `{name}`")
    namespace, protocol, base_path = resolve(namespace, protocol, base_path)
    return Artifact(name, namespace, base_path, protocol)


def resolve(namespace: str, protocol: str, base_path: str) -> tuple[str, str, str]:
    """Namespace, protocol and base path with the empty ones filled in."""
    from pegboard import api

    run = api.current_run()
    storage = run.storage if run is not None else {}
    namespace = namespace or get_run_context().namespace
    protocol = protocol or str(storage.get("protocol") or "file")
    base_path = base_path or str(storage.get("base_path") or "")
    if protocol not in ("file", "local"):
        raise ValueError(f"artifacts on `{protocol}` cannot be reached from here, only on `file`")
    if not base_path:
        raise ValueError("no base path for artifacts is set")
    if namespace in (".", "..") or "/" in namespace or "\0" in namespace:
        raise ValueError(f"`{namespace}` is no name of a namespace")
    return namespace, "file", base_path


def _plain(value: Any) -> Any:
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)
