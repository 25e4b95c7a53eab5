"""Input: makes assets of something else. Change `fill`; what it takes besides is in the config."""

import os

from pegboard.hub import InputPayload, InputPlugin, run

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@


def fill(payload: InputPayload) -> str:
    texts = payload.config.get("texts", ["a first text", "a second text"])
    assets = [{"data": text, "externalId": f"text-{number}.md"} for number, text in enumerate(texts, start=1)]
    payload.sdk.upload_files_cloud(payload.project_id, assets)
    payload.progress(len(assets), len(assets), "Texts")
    return f"{len(assets)} assets"


if __name__ == "__main__":
    run(InputPlugin(PLUGIN_ID, PLUGIN_SECRET, fill), host=HOST)
