"""Input: makes assets of something else. Change `fill`; what it takes besides is in the config."""

import json
import os

from imerit_ango.plugins import InputPlugin, run
from imerit_ango.sdk import SDK

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@


def fill(data):
    config = json.loads(data["configJSON"])
    texts = config.get("texts", ["a first text", "a second text"])
    assets = [{"data": text, "externalId": "text-%d.md" % number} for number, text in enumerate(texts, start=1)]
    SDK(api_key=data["apiKey"], host=HOST).upload_files_cloud(data["projectId"], assets)
    data["logger"].info("Texts: [%d/%d]" % (len(assets), len(assets)))
    return "%d assets" % len(assets)


if __name__ == "__main__":
    run(InputPlugin(PLUGIN_ID, PLUGIN_SECRET, fill), host=HOST)
