"""Markdown generator: one asset for each row of the table; `|column|` in the template stands for the row's value."""

import os

from pegboard.hub import MarkdownPayload, MarkdownPlugin, run


def pages(payload: MarkdownPayload) -> str:
    assets = []
    for number, row in enumerate(payload.rows(), start=1):
        text = payload.template
        for column, value in row.items():
            text = text.replace(f"|{column}|", value)
        assets.append({"data": text, "externalId": row.get("externalId") or f"page-{number}.md"})
    payload.sdk.upload_files_cloud(payload.project_id, assets)
    return f"{len(assets)} pages"


if __name__ == "__main__":
    run(MarkdownPlugin(os.environ["PLUGIN_ID"], os.environ["PLUGIN_SECRET"], pages))
