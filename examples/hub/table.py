"""Export: one line of CSV for each asset: its name, what its classifications say, how many objects it has.

Config: `separator` (`,`); with `data_source`, a name, the table is put into the catalog too, where the dashboard shows it. Assets are
read one after the other, so a project of any size fits.
"""

import csv
import os
import tempfile
from pathlib import Path

from pegboard.catalog import CatalogError, catalog
from pegboard.hub import ExportPayload, ExportPlugin, ExportResponse, run


def table(payload: ExportPayload) -> ExportResponse:
    path = Path(tempfile.mkdtemp(), "labels.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter=payload.config.get("separator", ","))
        rows.writerow(["asset", "stage", "objects", "labels"])
        for done, asset in enumerate(payload.assets):
            if done % 1000 == 0:
                payload.progress(done, payload.number, "Assets")
            task = asset["task"]
            said = [f"{one['title']}={one['answer']}" for one in task["classifications"]]
            rows.writerow([asset["externalId"], task["stage"], len(task["tools"]), "; ".join(said)])
    payload.progress(payload.number, payload.number, "Assets")
    payload.logger.info("%d assets", payload.number, bytes=path.stat().st_size)
    if name := payload.config.get("data_source"):
        try:
            catalog.publish_data_source(name, path, description="Labels of a project")
        except CatalogError as error:
            payload.logger.warning("the table is not in the catalog: %s", error)
    return ExportResponse(path, "labels.csv")


if __name__ == "__main__":
    run(ExportPlugin(os.environ["PLUGIN_ID"], os.environ["PLUGIN_SECRET"], table))
