"""Model: annotates one asset. Change `annotate`."""

import os

from pegboard.hub import Answer, ModelPayload, ModelPlugin, run

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@


def annotate(payload: ModelPayload) -> Answer:
    picture = payload.sdk.read(payload.data_url)
    payload.logger.info("%d bytes to look at", len(picture))
    answer = Answer()
    # What was mapped in the dialog: your class, and the project's tool for it.
    for pair in payload.classes:
        box = {"x": 8, "y": 8, "width": 32, "height": 32}
        answer.objects.append({"schemaId": pair.schema_id, "bounding-box": box})
    return answer


if __name__ == "__main__":
    run(ModelPlugin(PLUGIN_ID, PLUGIN_SECRET, annotate), host=HOST)
