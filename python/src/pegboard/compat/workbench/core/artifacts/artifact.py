"""What all artifacts have. An object is made for any name; whether the catalog has it, `exists` says."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timezone
from typing import Any, ClassVar

from pegboard.catalog import Catalog, catalog

__all__ = ["AWSArtifact", "Artifact", "source"]

log = logging.getLogger("workbench")
# How long an object believes what it was told.
FRESH_SECONDS = 2.0


def source() -> Catalog:
    """The catalog of the server that this process belongs to."""
    return catalog


class Artifact:
    """One artifact of the catalog."""

    KIND: ClassVar[str] = ""
    log = log

    def __init__(self, name: str, **_: Any) -> None:
        self.name = name
        self._seen: tuple[float, dict[str, Any] | None] = (float("-inf"), None)

    @property
    def uuid(self) -> str:
        """The name, as it was called before July 2025."""
        return self.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.name}"

    # What the catalog says.

    def record(self) -> dict[str, Any]:
        """As the catalog answers; empty when it has no such artifact."""
        seen_at, found = self._seen
        if time.monotonic() - seen_at > FRESH_SECONDS:
            found = source().find(self.KIND, self.name)
            self._seen = (time.monotonic(), found)
        return found or {}

    def refresh_meta(self) -> None:
        self._seen = (float("-inf"), None)

    def fact(self, key: str, default: Any = None) -> Any:
        found = self.record().get("facts", {}).get(key)
        return default if found is None else found

    def file(self, role: str) -> dict[str, Any] | None:
        return next((file for file in self.record().get("files", []) if file["role"] == role), None)

    def table(self, role: str, limit: int = 100_000) -> Any:
        """A frame, or None when there is no such file. Tables beyond the limit are sampled."""
        found = self.file(role)
        if found is None:
            return None
        return source().frame(self.KIND, self.name, file=role, limit=limit, sample=(found["rows"] or 0) > limit)

    # The interface.

    def exists(self) -> bool:
        return bool(self.record())

    def ready(self) -> bool:
        return self.exists() and not set(self.get_health_tags()) & {"needs_onboard", "failed"}

    def get_status(self) -> str:
        return str(self.record().get("status") or "unknown")

    def get_tags(self, tag_type: str = "user") -> list[str]:
        return self.get_health_tags() if tag_type == "health" else list(self.record().get("tags", []))

    def get_health_tags(self) -> list[str]:
        return list(self.record().get("health", []))

    def get_owner(self) -> str:
        return str(self.record().get("owner") or "unknown")

    def get_input(self) -> str:
        inputs = self.record().get("inputs") or []
        return inputs[0].partition(":")[2] if inputs else "unknown"

    def workbench_meta(self) -> dict[str, Any]:
        if not self.exists():
            return {}
        meta: dict[str, Any] = {
            "workbench_status": self.get_status(),
            "workbench_owner": self.get_owner(),
            "workbench_input": self.get_input(),
            "workbench_tags": "::".join(self.get_tags()),
            "workbench_health_tags": "::".join(self.get_health_tags()),
        }
        meta.update({key: value for key, value in self.record()["facts"].items() if key.startswith("workbench_")})
        return meta

    sageworks_meta = workbench_meta

    def health_check(self, deep: bool = False) -> list[str]:
        if not self.exists():
            return ["not_found"]
        return [tag for tag in self.get_health_tags() if tag != "healthy"]

    def size(self) -> float:
        """Megabytes."""
        return float(self.record().get("bytes", 0)) / 1_000_000

    def created(self) -> datetime:
        return _time(self.record().get("created_at"))

    def modified(self) -> datetime:
        return _time(self.record().get("modified_at"))

    def hash(self) -> str:
        files = self.record().get("files", [])
        data = next((file for file in files if file["role"] == "data"), files[0] if files else None)
        return str(data["hash"]) if data else ""

    def arn(self) -> str:
        return f"pegboard:{self.KIND}/{self.name}"

    def aws_url(self) -> str:
        return f"{source().url}/api/v1/catalog/{self.KIND}/{self.name}"

    def aws_meta(self) -> dict[str, Any]:
        return self.record()

    def summary(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "health_tags": self.get_health_tags(),
            "size": self.size(),
            "created": self.created(),
            "modified": self.modified(),
            "input": self.get_input(),
            **self.workbench_meta(),
            "aws_arn": self.arn(),
        }

    def details(self) -> dict[str, Any]:
        return self.summary()

    # Changes.

    def _edit(self, **words: Any) -> None:
        source().edit(self.KIND, self.name, **words)
        self.refresh_meta()

    def upsert_workbench_meta(self, new_meta: dict[str, Any]) -> None:
        self._edit(facts=dict(new_meta))

    def set_owner(self, owner: str) -> None:
        self._edit(owner=owner)

    def set_status(self, status: str) -> None:
        self._edit(status=status)

    def set_input(self, input_data: str, force: bool = False) -> None:
        kind = {"feature_set": "data_source", "model": "feature_set", "endpoint": "model"}.get(self.KIND, "data_source")
        self._edit(inputs=[f"{kind}:{input_data}"])

    def set_tags(self, tags: list[str]) -> None:
        self._edit(tags=list(tags))

    def add_tag(self, tag: str, tag_type: str = "user") -> None:
        if tag not in (known := self.get_tags(tag_type)):
            self._edit(**{_tags(tag_type): [*known, tag]})

    def remove_tag(self, tag: str, tag_type: str = "user") -> None:
        self._edit(**{_tags(tag_type): [each for each in self.get_tags(tag_type) if each != tag]})

    def set_health_tags(self, tags: list[str]) -> None:
        self._edit(health=list(tags))

    def add_health_tag(self, tag: str) -> None:
        self.add_tag(tag, "health")

    def remove_health_tag(self, tag: str) -> None:
        self.remove_tag(tag, "health")

    def delete(self) -> None:
        source().remove(self.KIND, self.name)
        self.refresh_meta()


class AWSArtifact(Artifact):
    """The same; plugins know it as the one below which all others stand."""


def _tags(tag_type: str) -> str:
    return "health" if tag_type == "health" else "tags"


def _time(text: str | None) -> datetime:
    if not text:
        return datetime.fromtimestamp(0, timezone.utc)
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
