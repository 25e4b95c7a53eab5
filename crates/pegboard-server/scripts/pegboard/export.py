"""Export: one line of CSV for each asset. Change `convert`."""

import csv
import io
import os

from pegboard.hub import ExportPayload, ExportPlugin, ExportResponse, run

HOST = os.environ.get("HOST", @HOST@)
PLUGIN_ID = os.environ.get("PLUGIN_ID", @ID@)
PLUGIN_SECRET = @SECRET@


def convert(payload: ExportPayload) -> ExportResponse:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["asset", "stage", "objects"])
    # Assets with their tasks, read one after the other.
    for done, asset in enumerate(payload.assets):
        payload.progress(done, payload.number, "Assets")
        task = asset["task"]
        rows.writerow([asset["externalId"], task["stage"], len(task["tools"])])
    return ExportResponse(io.BytesIO(text.getvalue().encode()), "labels.csv")


if __name__ == "__main__":
    run(ExportPlugin(PLUGIN_ID, PLUGIN_SECRET, convert), host=HOST)
