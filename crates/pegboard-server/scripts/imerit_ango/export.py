"""Export: one line of CSV for each asset. Change `convert`."""

import csv
import io
import os

from imerit_ango.plugins import ExportPlugin, ExportResponse, run

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@


def convert(data):
    # The assets of the export with their tasks, one after the other.
    assets, logger = data["jsonExport"], data["logger"]
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["asset", "stage", "objects"])
    done = 0
    for asset in assets:
        task = asset.get("task") or {}
        if asset:
            rows.writerow([asset["externalId"], task.get("stage"), len(task.get("tools") or [])])
            done += 1
    # `[total/done]` in a line becomes a bar.
    logger.info("Assets: [%d/%d]" % (done, done))
    return ExportResponse(file=io.BytesIO(text.getvalue().encode()), file_name="labels.csv")


if __name__ == "__main__":
    run(ExportPlugin(PLUGIN_ID, PLUGIN_SECRET, convert, host=HOST), host=HOST)
