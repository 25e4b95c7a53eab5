"""File explorer: shows folders of this machine and imports files from them. Change `explore`.

The bucket is the name of a folder below PLUGIN_FOLDER (by default the folder that this runs in); `.` is that folder itself.
"""

import os
from pathlib import Path

from imerit_ango.plugins import FileExplorerPlugin, run
from imerit_ango.sdk import SDK

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@
ROOT = Path(os.environ.get("PLUGIN_FOLDER", ".")).resolve()


def explore(data):
    bucket = inside(ROOT, data["bucket"])
    folder = inside(bucket, data.get("folder") or "")
    if data["upload"]:
        chosen = [inside(bucket, key) for key in data.get("files") or []]
        chosen = chosen or [path for path in folder.rglob("*") if path.is_file()]
        files = [{"data": str(path), "externalId": path.relative_to(bucket).as_posix()} for path in chosen]
        SDK(api_key=data["apiKey"], host=HOST).upload_files(data["projectId"], files)
        return "%d files imported" % len(files)
    entries = sorted(folder.iterdir())
    return {
        "folders": [path.relative_to(bucket).as_posix() + "/" for path in entries if path.is_dir()],
        "files": [path.relative_to(bucket).as_posix() for path in entries if path.is_file()],
        "scrollToken": None,
        "success": True,
    }


def inside(above, name):
    path = above.joinpath(name).resolve()
    if not path.is_relative_to(above) or not path.exists():
        raise FileNotFoundError("there is no %s" % name)
    return path


if __name__ == "__main__":
    run(FileExplorerPlugin(PLUGIN_ID, PLUGIN_SECRET, explore), host=HOST)
