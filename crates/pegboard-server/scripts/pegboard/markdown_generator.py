"""Markdown generator: one asset for each row of a table; `|column|` in the template stands for the row's value. Change `pages`."""

import os

from pegboard.hub import MarkdownPayload, MarkdownPlugin, run

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@


def pages(payload: MarkdownPayload) -> str:
    assets = []
    for number, row in enumerate(payload.rows(), start=1):
        text = payload.template
        for column, value in row.items():
            text = text.replace(f"|{column}|", value)
        assets.append({"data": text, "externalId": f"page-{number}.md"})
    payload.sdk.upload_files_cloud(payload.project_id, assets)
    return f"{len(assets)} pages"


if __name__ == "__main__":
    run(MarkdownPlugin(PLUGIN_ID, PLUGIN_SECRET, pages), host=HOST)
