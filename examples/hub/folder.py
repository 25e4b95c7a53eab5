"""File explorer: looks into folders on the plugin's own machine and imports files from there.

The bucket is the name of a folder below `PLUGIN_FOLDER` (default: the working directory). A page has 50 entries.
"""

import os
from pathlib import Path

from pegboard.hub import FileExplorerPayload, FileExplorerPlugin, Listing, run

ROOT = Path(os.environ.get("PLUGIN_FOLDER", ".")).resolve()
PAGE = 50


def inside(*parts: str) -> Path:
    """A path below the root, whatever `..` somebody asks for."""
    path = ROOT.joinpath(*parts).resolve()
    if not path.is_relative_to(ROOT) or not path.exists():
        raise FileNotFoundError(f"there is no {'/'.join(parts)}")
    return path


def explore(payload: FileExplorerPayload) -> Listing | str:
    bucket = inside(payload.bucket)
    if payload.is_import:
        found = inside(payload.bucket, payload.folder).rglob("*")
        keys = payload.files or [str(path.relative_to(bucket)) for path in found if path.is_file()]
        files = [{"data": str(inside(payload.bucket, key)), "externalId": key} for key in keys]
        payload.sdk.upload_files(payload.project_id, files)
        return f"{len(files)} files imported"
    entries = sorted(inside(payload.bucket, payload.folder).iterdir())
    start = int(payload.scroll_token or 0)
    page = entries[start : start + PAGE]
    keys = [f"{path.relative_to(bucket)}{'/' if path.is_dir() else ''}" for path in page]
    more = str(start + PAGE) if start + PAGE < len(entries) else None
    return Listing([key for key in keys if key.endswith("/")], [key for key in keys if not key.endswith("/")], more)


if __name__ == "__main__":
    run(FileExplorerPlugin(os.environ["PLUGIN_ID"], os.environ["PLUGIN_SECRET"], explore))
