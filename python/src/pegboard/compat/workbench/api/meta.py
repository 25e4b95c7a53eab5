"""Lists of artifacts as frames, the newest first."""

from __future__ import annotations

from typing import Any

from ..core.artifacts.artifact import source

__all__ = ["Meta"]


class Meta:
    """What the catalog has."""

    def account(self) -> dict[str, Any]:
        return {"account_id": "pegboard", "account_name": "Pegboard", "region": "local", "endpoint": source().url}

    def config(self) -> dict[str, Any]:
        from ..utils.config_manager import ConfigManager

        return ConfigManager().get_all_config()

    def data_sources(self) -> Any:
        def row(each: dict[str, Any]) -> dict[str, Any]:
            return {
                "Name": each["name"],
                "Health": ":".join(each["health"]),
                "Owner": each["owner"],
                "Database": "workbench",
                "Modified": each["modified_at"],
                "Columns": _columns(each),
                "Input": _input(each),
                "Tags": "::".join(each["tags"]),
                "_aws_url": _url(each),
            }

        return _frame("data_source", row)

    def feature_sets(self, details: bool = False) -> Any:
        def row(each: dict[str, Any]) -> dict[str, Any]:
            return {
                "Feature Group": each["name"],
                "Health": ":".join(each["health"]) if details else "",
                "Owner": each["owner"] if details else "-",
                "Created": each["created_at"],
                "Modified": each["modified_at"],
                "Num Columns": _columns(each) if details else 0,
                "Input": _input(each) if details else "-",
                "Online": str(bool(each["facts"].get("online", False))) if details else "False",
                "Offline": str(bool(each["facts"].get("offline", True))) if details else "True",
                "Tags": "::".join(each["tags"]) if details else "-",
                "_aws_url": _url(each),
            }

        return _frame("feature_set", row)

    def models(self, details: bool = False) -> Any:
        def row(each: dict[str, Any]) -> dict[str, Any]:
            facts = each["facts"]
            return {
                "Model Group": each["name"],
                "Health": ":".join(each["health"]) if details else "",
                "Owner": each["owner"] if details else "-",
                "Type": facts.get("model_type", "unknown") if details else "Unknown",
                "Framework": facts.get("framework", "unknown") if details else "Unknown",
                "Created": each["created_at"],
                "Modified": each["modified_at"],
                "Ver": str(each["version"]),
                "Input": _input(each) if details else "-",
                "Status": each["status"],
                "Description": each["description"],
                "Tags": "::".join(each["tags"]) if details else "-",
                "_aws_url": _url(each),
            }

        return _frame("model", row)

    def endpoints(self, details: bool = False) -> Any:
        def row(each: dict[str, Any]) -> dict[str, Any]:
            facts = each["facts"]

            def said(key: str) -> str:
                return str(facts.get(key, "-")) if details else "-"

            return {
                "Name": each["name"],
                "Health": ":".join(each["health"]) if details else "",
                "Owner": each["owner"] if details else "-",
                "Instance": said("instance"),
                "Created": each["created_at"],
                "Modified": each["modified_at"],
                "Input": _input(each) if details else "-",
                "Status": each["status"],
                "Config": said("config"),
                "Variant": said("variant"),
                "Capture": said("capture"),
                "Samp(%)": said("sampling"),
                "Tags": "::".join(each["tags"]) if details else "-",
                "Monitored": said("monitored"),
            }

        return _frame("endpoint", row)

    def views(self, database: str = "workbench") -> Any:
        import pandas as pd

        rows = [
            {"View": name, "Table": each["name"]} for each in source().artifacts("data_source") for name in each["facts"].get("views", {})
        ]
        return pd.DataFrame(rows, columns=["View", "Table"])

    def incoming_data(self) -> Any:
        return _empty(["Name", "Size", "Modified", "ContentType", "Encryption", "Tags", "_aws_url"])

    def etl_jobs(self) -> Any:
        return _empty(["Name", "Workers", "WorkerType", "Start Time", "Duration", "State", "_aws_url"])

    def champion_models(self) -> Any:
        """Each endpoint with the model that it is made from."""
        import pandas as pd

        rows = [{"Model": _input(each), "Endpoint": each["name"]} for each in source().artifacts("endpoint") if each["inputs"]]
        return pd.DataFrame(rows, columns=["Model", "Endpoint"])

    def challenger_models(self, endpoint: str) -> list[str]:
        """Models of the same feature set as the endpoint's, without that one."""
        found = source().find("endpoint", endpoint)
        champion = source().find("model", _input(found)) if found and found["inputs"] else None
        if champion is None:
            return []
        same = [each["name"] for each in source().artifacts("model") if each["inputs"] and each["inputs"] == champion["inputs"]]
        return [name for name in same if name != champion["name"]]

    def pipelines(self) -> list[dict[str, Any]]:
        """What led to the endpoints, as one group with a pipeline for each workflow that made their models."""
        from ..utils.pipeline_utils import from_lineage

        kinds = ("data_source", "feature_set", "model", "endpoint")
        return from_lineage([each for kind in kinds for each in source().artifacts(kind)])


def _frame(kind: str, row: Any) -> Any:
    import pandas as pd

    rows = [row(each) for each in source().artifacts(kind)]
    columns = list(rows[0]) if rows else list(row(_NOTHING))
    frame = pd.DataFrame(rows, columns=columns)
    for name in ("Created", "Modified"):
        if name in frame.columns:
            frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
    frame = frame.sort_values("Modified", ascending=False, kind="stable", ignore_index=True)
    return frame.convert_dtypes()


_NOTHING: dict[str, Any] = {
    "kind": "data_source",
    "name": "",
    "health": [],
    "owner": "",
    "created_at": None,
    "modified_at": None,
    "files": [],
    "inputs": [],
    "tags": [],
    "facts": {},
    "version": 0,
    "status": "",
    "description": "",
}


def _empty(columns: list[str]) -> Any:
    import pandas as pd

    return pd.DataFrame(columns=columns)


def _columns(each: dict[str, Any]) -> int:
    data = next((file for file in each["files"] if file["role"] == "data"), None)
    return len(data["columns"]) if data else 0


def _input(each: dict[str, Any]) -> str:
    return str(each["inputs"][0]).partition(":")[2] if each["inputs"] else "-"


def _url(each: dict[str, Any]) -> str:
    return f"{source().url}/api/v1/catalog/{each['kind']}/{each['name']}"
