"""File explorer: shows folders of this machine and imports files from them. Change `explore`.

The bucket is the name of a folder below PLUGIN_FOLDER (by default the folder that this runs in); `.` is that folder itself.
"""

import os
from pathlib import Path

from pegboard.hub import FileExplorerPayload, FileExplorerPlugin, Listing, run

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@
ROOT = Path(os.environ.get("PLUGIN_FOLDER", ".")).resolve()


def explore(payload: FileExplorerPayload) -> Listing | str:
    bucket = inside(ROOT, payload.bucket)
    folder = inside(bucket, payload.folder)
    if payload.is_import:
        chosen = [inside(bucket, key) for key in payload.files] or [path for path in folder.rglob("*") if path.is_file()]
        files = [{"data": str(path), "externalId": path.relative_to(bucket).as_posix()} for path in chosen]
        payload.sdk.upload_files(payload.project_id, files)
        return f"{len(files)} files imported"
    entries = sorted(folder.iterdir())
    folders = [path.relative_to(bucket).as_posix() + "/" for path in entries if path.is_dir()]
    return Listing(folders, [path.relative_to(bucket).as_posix() for path in entries if path.is_file()])


def inside(above: Path, name: str) -> Path:
    path = above.joinpath(name).resolve()
    if not path.is_relative_to(above) or not path.exists():
        raise FileNotFoundError(f"there is no {name}")
    return path


if __name__ == "__main__":
    run(FileExplorerPlugin(PLUGIN_ID, PLUGIN_SECRET, explore), host=HOST)
