"""Finds and loads plugins: components, views and pages in the folders of plugin directories, of which there may be several."""

from __future__ import annotations

import atexit
import logging
import shutil
import threading
from pathlib import Path
from typing import Any, ClassVar

from pegboard.panels._modules import classes_of, make_importable, module_of

from ..web_interface.components.plugin_interface import PluginInterface, PluginPage
from ..web_interface.page_views.page_view import PageView
from .config_manager import ConfigManager

__all__ = ["PluginManager"]

log = logging.getLogger("workbench")
KINDS = ("components", "transforms", "views", "pages")
# Longest time that `get_pages_with_timeout` waits for a page.
PAGE_SECONDS = 10.0


class PluginManager:
    """One per process; loads when it is made first. A new kind of component may take the name of an old one, and is told of."""

    _instance: ClassVar[PluginManager | None] = None
    loading_dir: Path | None
    loading_dirs: list[Path]
    plugins: dict[str, dict[str, type]]
    plugin_load_errors: list[str]
    plugin_modified_time: float

    def __new__(cls) -> PluginManager:
        if cls._instance is None:
            made = super().__new__(cls)
            made._start()
            cls._instance = made
        return cls._instance

    def _start(self) -> None:
        self.plugins = {kind: {} for kind in KINDS}
        self.plugin_load_errors = []
        self.loading_dirs = _directories(ConfigManager().get_config("WORKBENCH_PLUGINS"))
        self.loading_dir = self.loading_dirs[0] if self.loading_dirs else None
        self.plugin_modified_time = self._newest()
        make_importable(self.loading_dirs)
        for kind in KINDS:
            for folder in self.loading_dirs:
                self._load_folder(folder / kind, kind)
        if self.plugin_load_errors:
            log.error(f"{len(self.plugin_load_errors)} plugin(s) failed to load: {', '.join(self.plugin_load_errors)}")

    # Loading.

    def _load_folder(self, folder: Path, kind: str) -> None:
        if not folder.is_dir():
            return
        for path in sorted(folder.iterdir()):
            if path.suffix != ".py" or path.name.startswith("_"):
                continue
            try:
                module = module_of(path)
            except (Exception, SystemExit) as error:
                log.critical(f"Failed to load plugin: '{path.name}': {str(error) or repr(error)}")
                log.warning(f"Failed to load plugin: '{path.name}' skipping...")
                continue
            for found in classes_of(module):
                log.important(f"Loading {kind} plugin: {found.__name__}")  # type: ignore[attr-defined]
                self._take(found, kind, path.name)

    def _take(self, found: type, kind: str, file: str) -> None:
        name = found.__name__
        if kind == "components":
            if PluginInterface not in found.__mro__:
                return
            valid, reason = PluginInterface.validate_subclass(found)
            if not valid:
                log.error(f"Plugin '{name}' ({file}) failed validation: {reason}")
                self.plugin_load_errors.append(name)
                return
        elif kind == "views":
            if not issubclass(found, PageView):
                log.error(f"Unexpected plugin type '{kind}' for plugin '{name}'")
                return
        elif kind == "pages":
            if not hasattr(found, "page_setup"):
                log.warning(f"Class {name} in {file} does not have all required page methods")
                return
        else:
            log.error(f"Unexpected plugin type '{kind}' for plugin '{name}'")
            return
        if name in self.plugins[kind]:
            log.warning(f"Plugin '{name}' of '{file}' takes the place of another one of that name")
        self.plugins[kind][name] = found

    # What was loaded.

    def get_all_plugins(self) -> dict[str, dict[str, type]]:
        return self.plugins

    def get_list_of_web_plugins(self, plugin_page: PluginPage = PluginPage.NONE) -> list[Any]:
        made = []
        for name, kind in self.plugins["components"].items():
            if getattr(kind, "auto_load_page", None) == plugin_page:
                try:
                    made.append(kind())
                except Exception as error:
                    log.error(f"Plugin '{name}' failed to instantiate: {error}")
        return made

    def get_web_plugin(self, plugin_name: str) -> Any:
        kind = self.plugins["components"].get(plugin_name)
        return kind() if kind is not None else None

    def get_view(self, view_name: str) -> Any:
        kind = self.plugins["views"].get(view_name)
        return kind() if kind is not None else None

    def get_pages(self) -> dict[str, Any]:
        return {name: kind() for name, kind in self.plugins["pages"].items()}

    def get_pages_with_timeout(self) -> dict[str, Any]:
        """Without pages that are not made within ten seconds; one whose constructor raises is None."""
        pages: dict[str, Any] = {}
        for name, kind in self.plugins["pages"].items():
            made: list[Any] = []
            thread = threading.Thread(target=_make, args=(name, kind, made), daemon=True)
            thread.start()
            thread.join(PAGE_SECONDS)
            if thread.is_alive():
                log.critical(f"Page '{name}' took longer than {PAGE_SECONDS:.0f} seconds and is left out")
            else:
                pages[name] = made[0] if made else None
        return pages

    def stage_plugin_assets(self, dest_dir: str) -> bool:
        """Copies `assets/` in place of `dest_dir`; False when there are none."""
        found = [folder / "assets" for folder in self.loading_dirs if (folder / "assets").is_dir()]
        if not found:
            return False
        shutil.rmtree(dest_dir, ignore_errors=True)
        for assets in found:
            shutil.copytree(assets, dest_dir, dirs_exist_ok=True)
        atexit.register(shutil.rmtree, dest_dir, ignore_errors=True)
        return True

    def plugins_modified(self) -> bool:
        """Whether a file is newer than at the last question."""
        newest = self._newest()
        changed, self.plugin_modified_time = newest != self.plugin_modified_time, newest
        return changed

    def _newest(self) -> float:
        files = (path for folder in self.loading_dirs for path in folder.rglob("*") if path.is_file())
        return max((path.stat().st_mtime for path in files), default=0.0)

    def __repr__(self) -> str:
        lines = [f"PluginManager: {self.loading_dir}"]
        lines += [f"  {kind}: {name}" for kind, found in self.plugins.items() for name in found]
        return "\n".join(lines)


def _make(name: str, kind: type, made: list[Any]) -> None:
    try:
        made.append(kind())
    except Exception as error:
        log.critical(f"Page '{name}' failed to instantiate: {error}")


def _directories(said: Any) -> list[Path]:
    if isinstance(said, (list, tuple)):
        return [Path(each) for each in said]
    if not said or said == "package":
        return []
    if str(said).startswith("s3://"):
        bucket, _, prefix = str(said).removeprefix("s3://").partition("/")
        if not bucket or not prefix.strip("/"):
            raise ValueError(f"S3 path must include a bucket and a key/prefix: {said}")
        raise ValueError(f"the folder {said} is not on this machine: copy it, and name the copy")
    return [Path(said)]
