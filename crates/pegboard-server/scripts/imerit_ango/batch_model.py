"""Batch model: works through the assets of a project and imports labels. Change `prelabel`."""

import os

from imerit_ango.plugins import BatchModelPlugin, run
from imerit_ango.sdk import SDK

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@


def prelabel(data):
    sdk = SDK(api_key=data["apiKey"], host=HOST)
    pairs = data["categorySchema"] or []
    labels, page = [], 1
    while True:
        found = sdk.get_assets(data["projectId"], page=page, limit=100)["data"]["assets"]
        for asset in found:
            box = {"x": 8, "y": 8, "width": 32, "height": 32}
            objects = [{"schemaId": pair["schemaId"], "bounding-box": box} for pair in pairs]
            labels.append({"externalId": asset["externalId"], "objects": objects})
        data["logger"].info("%d assets looked at" % len(labels))
        if len(found) < 100:
            break
        page += 1
    if pairs and labels:
        sdk.import_labels(data["projectId"], labels)
    return "%d assets have labels now" % (len(labels) if pairs else 0)


if __name__ == "__main__":
    run(BatchModelPlugin(PLUGIN_ID, PLUGIN_SECRET, prelabel), host=HOST)
