"""Settings: a JSON file that `WORKBENCH_CONFIG` names, else variables that begin with `WORKBENCH_` or `REDIS_`."""

from __future__ import annotations

import json
import logging
import os
from typing import Any, ClassVar

__all__ = ["ConfigManager"]

log = logging.getLogger("workbench")
DEFAULTS: dict[str, Any] = {"WORKBENCH_BUCKET": "pegboard", "WORKBENCH_PLUGINS": "package", "UI_UPDATE_RATE": 60}


class ConfigManager:
    """One per process."""

    _instance: ClassVar[ConfigManager | None] = None
    config: dict[str, Any]

    def __new__(cls) -> ConfigManager:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
            cls._instance.config = _load()
        return cls._instance

    def get_config(self, key: str, default_value: Any = None) -> Any:
        return self.config.get(key, default_value)

    def get_all_config(self) -> dict[str, Any]:
        return dict(self.config)

    def set_config(self, key: str, value: Any) -> None:
        self.config[key] = value

    def config_okay(self) -> bool:
        return True

    def ui_update_rate(self) -> int:
        return int(self.config.get("UI_UPDATE_RATE", 60))

    def get_license_id(self) -> str:
        return "Pegboard"


def _load() -> dict[str, Any]:
    said = {key: value for key, value in os.environ.items() if key.startswith(("WORKBENCH_", "REDIS_"))}
    path = said.get("WORKBENCH_CONFIG")
    if path:
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            return {**DEFAULTS, **found}
        except (OSError, ValueError) as error:
            log.warning(f"settings in '{path}' cannot be read: {error}")
    return {**DEFAULTS, **said}
