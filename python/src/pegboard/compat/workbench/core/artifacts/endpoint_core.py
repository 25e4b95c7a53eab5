"""An endpoint: a model that answers, with what was measured while it did."""

from __future__ import annotations

from typing import Any

from .artifact import AWSArtifact

__all__ = ["EndpointCore"]


class EndpointCore(AWSArtifact):
    """Its metrics come from the catalog; it is asked where it runs, not through this object."""

    KIND = "endpoint"

    def __init__(self, endpoint_uuid: str, **options: Any) -> None:
        super().__init__(endpoint_uuid, **options)
        self.endpoint_name = endpoint_uuid

    @property
    def instance_type(self) -> str:
        return str(self.fact("instance", "unknown"))

    def is_serverless(self) -> bool:
        return "serverless" in self.instance_type.lower()

    def endpoint_metrics(self) -> Any:
        import pandas as pd

        frame = self.table("metrics")
        if frame is None:
            return None
        if "timestamps" in frame.columns:
            frame["timestamps"] = pd.to_datetime(frame["timestamps"], utc=True)
        return frame

    def details(self) -> dict[str, Any]:
        details = self.summary()
        details.update(
            status=self.get_status(),
            instance=self.instance_type,
            instance_count=self.fact("instance_count", "-"),
            variant=self.fact("variant", "-"),
            endpoint_metrics=self.endpoint_metrics(),
        )
        return details
