"""Model: annotates one asset. Change `annotate`."""

import os

from imerit_ango.models.annotate import AnnotationPayload, Answer
from imerit_ango.plugins import ModelPlugin, run

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@


def annotate(data):
    data["logger"].info("looking at %s" % data["dataURL"])
    objects = []
    # What was mapped in the dialog: your class, and the project's tool for it.
    for pair in data["categorySchema"] or []:
        box = {"x": 8, "y": 8, "width": 32, "height": 32}
        objects.append({"schemaId": pair["schemaId"], "bounding-box": box})
    return AnnotationPayload(answer=Answer(objects=objects, classifications=[], relations=[]))


if __name__ == "__main__":
    run(ModelPlugin(PLUGIN_ID, PLUGIN_SECRET, annotate, host=HOST), host=HOST)
