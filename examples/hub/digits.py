"""Input: fills a project with scikit-learn's handwritten digits, as PNG files of 64 by 64 pixels.

Config: `count` (images to add, 100), `labelled` (how many of them get their true digit as a label, 60).
"""

import json
import os
import tempfile
from pathlib import Path

from pegboard.hub import InputPayload, InputPlugin, run


def schema_ids(payload: InputPayload) -> tuple[str, str]:
    """Ids of the project's classification `Value` and of its tool `Ink`."""
    schema = payload.sdk.get_project(payload.project_id)["data"]["project"]["categorySchema"]
    value = next(one["schemaId"] for one in schema["classifications"] if one["title"] == "Value")
    ink = next(one["schemaId"] for one in schema["tools"] if one["title"] == "Ink")
    return value, ink


def fill(payload: InputPayload) -> str:
    from PIL import Image
    from sklearn.datasets import load_digits

    config = payload.config
    count, labelled = int(config.get("count", 100)), int(config.get("labelled", 60))
    value, ink = schema_ids(payload)
    digits = load_digits()
    with tempfile.TemporaryDirectory() as folder:
        files, labels = [], []
        for number in range(count):
            name = f"digit-{number:04}.png"
            # Ink is dark on light, and an eye wants more than eight pixels.
            picture = Image.fromarray((255 - digits.images[number] * 15).astype("uint8")).resize((64, 64), Image.Resampling.NEAREST)
            picture.save(Path(folder, name))
            files.append({"data": str(Path(folder, name)), "externalId": name})
            if number < labelled:
                left, top, right, bottom = picture.point(lambda level: 255 if level < 200 else 0).getbbox() or (0, 0, 64, 64)
                box = {"x": left, "y": top, "width": right - left, "height": bottom - top}
                labels.append(
                    {
                        "externalId": name,
                        "objects": [{"schemaId": ink, "bounding-box": box}],
                        "classifications": [{"schemaId": value, "answer": str(digits.target[number])}],
                    }
                )
        for start in range(0, count, 20):
            payload.progress(start, count, "Images")
            payload.sdk.upload_files(payload.project_id, files[start : start + 20])
    payload.sdk.import_labels(payload.project_id, labels)
    payload.progress(count, count, "Images")
    payload.logger.info("labels of the first: %s", json.dumps(labels[0] if labels else None))
    return f"{count} images, {len(labels)} of them with labels"


if __name__ == "__main__":
    run(InputPlugin(os.environ["PLUGIN_ID"], os.environ["PLUGIN_SECRET"], fill))
