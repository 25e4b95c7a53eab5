"""Batch model: finds the ink of every image that nobody has labelled, and imports it as a label.

Classes: `ink`, mapped to a bounding box of the project. Shows progress and can be cancelled: `payload.progress` raises when it is.
"""

import io
import os

from pegboard.hub import BatchModelPayload, BatchModelPlugin, run


def prelabel(payload: BatchModelPayload) -> str:
    from PIL import Image

    tool = next((pair.schema_id for pair in payload.classes if pair.model_class == "ink"), None)
    if tool is None:
        raise ValueError("map the class `ink` to one of the project's bounding boxes")
    waiting = [asset for asset in payload.sdk.assets(payload.project_id) if not asset.get("isPreLabeled")]
    labels = []
    for done, asset in enumerate(waiting):
        payload.progress(done, len(waiting), "Images")
        picture = Image.open(io.BytesIO(payload.sdk.read(asset["data"]))).convert("L")
        left, top, right, bottom = picture.point(lambda level: 255 if level < 200 else 0).getbbox() or (0, 0, *picture.size)
        box = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        labels.append({"externalId": asset["externalId"], "objects": [{"schemaId": tool, "bounding-box": box}]})
    payload.sdk.import_labels(payload.project_id, labels)
    payload.progress(len(waiting), len(waiting), "Images")
    return f"{len(labels)} images have a box now"


if __name__ == "__main__":
    run(BatchModelPlugin(os.environ["PLUGIN_ID"], os.environ["PLUGIN_SECRET"], prelabel))
