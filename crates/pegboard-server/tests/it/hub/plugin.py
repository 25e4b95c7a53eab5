"""A plugin script of any type, for any release of the clients: what it does, its config says.

Usage: plugin.py TYPE HOST ID SECRET
"""

import json
import os
import sys
import time
from io import BytesIO

try:
    import imerit_ango.plugins as plugins
except ImportError:
    import ango.plugins as plugins  # type: ignore[no-redef]

try:
    from imerit_ango.models.annotate import AnnotationPayload, Answer
except ImportError:
    AnnotationPayload = None

kind, host, plugin_id, secret = sys.argv[1:5]


def data_of(args, kwargs):
    """Old releases call with keywords, newer ones with one dictionary."""
    return args[0] if args else kwargs


def seen(data):
    """What the hub sent, without what the client added and what cannot be told again."""
    hidden = ("logger", "jsonExport", "apiKey", "sdk", "labeltask")
    return {key: value for key, value in data.items() if key not in hidden}


def work(data):
    config = json.loads(data["configJSON"])
    logger = data.get("logger")
    do = config.get("do")
    if logger is not None:
        # Formatted here: old clients join their arguments as texts.
        logger.info("started in process %d" % os.getpid())
        logger.info("Files: [4/1]")
    if do == "raise":
        raise RuntimeError("the model is not there")
    if do == "sleep":
        time.sleep(config["seconds"])
    if do == "exit":
        os._exit(3)
    if do == "exit-once" and not os.path.exists(config["mark"]):
        open(config["mark"], "w").close()
        os._exit(3)
    if do == "flood":
        for number in range(config["lines"]):
            logger.info("line %d" % number)
    if do == "secret":
        logger.info("my secret is " + secret + " and my key " + data["apiKey"])
    if do == "odd-log":
        logger.info("lone \ud800 zero \0 end")
    if do == "unserialisable":
        return {"x": object()}
    if do == "large":
        return {"x": "y" * config["bytes"]}
    if do == "nan":
        return {"nan": float("nan"), "inf": [float("inf"), -float("inf")], "big": 2**71, "lone": "\ud800", "zero": "\0"}
    if do == "bytes":
        return {"blob": b"hi"}
    if do == "none":
        return None
    return {"seen": seen(data), "process": os.getpid()}


def callback(*args, **kwargs):
    return work(data_of(args, kwargs))


def export(*args, **kwargs):
    data = data_of(args, kwargs)
    work(data)
    assets = list(data["jsonExport"])
    names = [asset["externalId"] for asset in assets if asset]
    forms = [key for key in ("task", "tasks") if assets and assets[0] and key in assets[0]]
    text = json.dumps({"names": names, "forms": forms, "tasks": data.get("numTasks"), "seen": seen(data)})
    file = BytesIO(text.encode())
    name = data["projectId"] + ".json"
    if hasattr(plugins, "ExportResponse"):
        return plugins.ExportResponse(file=file, file_name=name)
    return name, file


def model(*args, **kwargs):
    data = data_of(args, kwargs)
    answered = work(data)
    if json.loads(data["configJSON"]).get("do") == "none":
        return answered
    pairs = data.get("categorySchema") or [{"schemaId": None, "modelClass": "?"}]
    box = {"schemaId": pairs[0]["schemaId"], "bounding-box": {"x": 1, "y": 2, "width": 3, "height": 4}}
    answer = {"objects": [box], "classifications": [], "relations": []}
    if AnnotationPayload is not None:
        return AnnotationPayload(answer=Answer(**answer))
    if "imerit_ango" in sys.modules:
        return {"externalId": "x", **answer}
    return {"data": "x", "answer": answer}


def explore(*args, **kwargs):
    data = data_of(args, kwargs)
    work(data)
    if data["upload"]:
        return "imported %s" % (data.get("files") or "the folder " + data["folder"])
    page = 2 if data["scrollToken"] else 1
    return {"folders": ["in/"], "files": ["page%d.png" % page], "scrollToken": None if page == 2 else "t", "success": True}


KINDS = {
    "export": ("ExportPlugin", export),
    "model": ("ModelPlugin", model),
    "batch-model": ("BatchModelPlugin", callback),
    "file-explorer": ("FileExplorerPlugin", explore),
    "markdown-generator": ("MarkdownPlugin", callback),
    "input": ("InputPlugin", callback),
}

name, function = KINDS[kind]
options = {"host": host} if kind in ("export", "model") else {}
plugins.run(getattr(plugins, name)(plugin_id, secret, function, **options), host=host)
