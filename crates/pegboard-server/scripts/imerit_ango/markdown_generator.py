"""Markdown generator: one asset for each row of a table; `|column|` in the template stands for the row's value. Change `pages`."""

import base64
import csv
import html
import io
import os

from imerit_ango.plugins import MarkdownPlugin, run
from imerit_ango.sdk import SDK

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@


def pages(data):
    table = base64.b64decode(data["inputFile"]).decode("utf-8-sig")
    template = html.unescape(data["markdownText"])
    assets = []
    for number, row in enumerate(csv.DictReader(io.StringIO(table)), start=1):
        text = template
        for column, value in row.items():
            text = text.replace("|%s|" % column, value or "")
        assets.append({"data": text, "externalId": "page-%d.md" % number})
    SDK(api_key=data["apiKey"], host=HOST).upload_files_cloud(data["projectId"], assets)
    return "%d pages" % len(assets)


if __name__ == "__main__":
    run(MarkdownPlugin(PLUGIN_ID, PLUGIN_SECRET, pages), host=HOST)
