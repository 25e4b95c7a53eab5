"""Batch model: works through the assets of a project and imports labels. Change `prelabel`."""

import os

from pegboard.hub import BatchModelPayload, BatchModelPlugin, run

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@


def prelabel(payload: BatchModelPayload) -> str:
    assets = list(payload.sdk.assets(payload.project_id))
    labels = []
    for done, asset in enumerate(assets):
        # Raises when somebody cancels the run.
        payload.progress(done, len(assets), "Assets")
        box = {"x": 8, "y": 8, "width": 32, "height": 32}
        objects = [{"schemaId": pair.schema_id, "bounding-box": box} for pair in payload.classes]
        labels.append({"externalId": asset["externalId"], "objects": objects})
    if payload.classes and labels:
        payload.sdk.import_labels(payload.project_id, labels)
    return f"{len(labels) if payload.classes else 0} assets have labels now"


if __name__ == "__main__":
    run(BatchModelPlugin(PLUGIN_ID, PLUGIN_SECRET, prelabel), host=HOST)
