"""Model: says which digit an image shows, and where its ink is. Learns from scikit-learn's digits when it starts.

The class mapping may name the project's tool for `ink`; without one only the digit is said.
"""

import io
import os
from functools import lru_cache

from pegboard.hub import Answer, ModelPayload, ModelPlugin, run


@lru_cache
def classifier():
    from sklearn.datasets import load_digits
    from sklearn.neighbors import KNeighborsClassifier

    digits = load_digits()
    # Those that the demo's project does not show.
    return KNeighborsClassifier(3).fit(digits.data[500:], digits.target[500:])


def classify(payload: ModelPayload) -> Answer:
    import numpy as np
    from PIL import Image

    picture = Image.open(io.BytesIO(payload.sdk.read(payload.data_url))).convert("L")
    pixels = (255 - np.asarray(picture.resize((8, 8), Image.Resampling.BOX), dtype=float)) / 15
    digit = int(classifier().predict(pixels.reshape(1, -1))[0])
    payload.logger.info("%s shows a %d", payload.asset_id, digit)

    answer = Answer()
    project = payload.sdk.get_project(payload.project_id)["data"]["project"]
    for one in project["categorySchema"]["classifications"]:
        if one["title"] == "Value":
            answer.classifications.append({"schemaId": one["schemaId"], "answer": str(digit)})
    for pair in payload.classes:
        if pair.model_class == "ink":
            left, top, right, bottom = picture.point(lambda level: 255 if level < 200 else 0).getbbox() or (0, 0, *picture.size)
            box = {"x": left, "y": top, "width": right - left, "height": bottom - top}
            answer.objects.append({"schemaId": pair.schema_id, "bounding-box": box})
    return answer


if __name__ == "__main__":
    classifier()
    run(ModelPlugin(os.environ["PLUGIN_ID"], os.environ["PLUGIN_SECRET"], classify))
