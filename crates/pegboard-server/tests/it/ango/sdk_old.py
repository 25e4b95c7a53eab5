"""Calls every method of an older SDK against the server and checks what it gets.

Arguments: URL, key, a folder to write in, the name of the package (`ango` or `imerit_ango`). Prints the methods that were called.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys

import requests

URL, KEY, FOLDER, PACKAGE = sys.argv[1:5]
SDK = importlib.import_module(f"{PACKAGE}.sdk").SDK
FIRST = PACKAGE == "ango"
logging.disable(logging.CRITICAL)
CALLED: set[str] = set()


class Recorded(SDK):
    """Notes which methods were called."""

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if callable(found) and not name.startswith("__") and name not in ("make_request", "setup_logger"):
            CALLED.add(name)
        return found


sdk = Recorded(api_key=KEY, host=URL)
P = sdk.create_project("Old", "as it was")["data"]["project"]["_id"]
assert any(p["_id"] == P for p in sdk.list_projects(1, 666)["data"]["projects"])
enums = importlib.import_module(f"{PACKAGE}.models.enums")
sdk_schema = {"tools": [{"tool": "bounding-box", "title": "Car", "schemaId": "s-car"}]}
raw = requests.post(f"{URL}/v2/project/{P}", headers={"apikey": KEY}, json={"categorySchema": sdk_schema}).json()
assert raw["data"]["project"]["categorySchema"]["tools"][0]["title"] == "Car"
cleared = sdk.create_label_set(P, [], [], [])
assert cleared["data"]["project"]["categorySchema"] == {"tools": [], "classifications": [], "relations": []}
requests.post(f"{URL}/v2/project/{P}", headers={"apikey": KEY}, json={"categorySchema": sdk_schema})

made = sdk.create_batch(P, "first")
assert sdk.create_batch(P, "second")
assert [b["name"] for b in sdk.get_batches(P)] == ["first", "second"], made

paths = []
for name in ("a.txt", "b.txt"):
    path = os.path.join(FOLDER, f"{PACKAGE}-{name}")
    with open(path, "w") as file:
        file.write(name)
    paths.append({"data": path, "externalId": name})
answer = sdk.upload_files(P, paths, batches=["first"])
assert answer["status"] == "success", answer
answer = sdk.upload_files_cloud(P, [{"data": "https://example.org/c.png", "externalId": "c.png", "batches": ["second"]}])
assert answer["status"] == "success", answer
assert answer["data"]["assets"] == "Successfully created." if FIRST else answer["data"]["assets"]["assetsCreated"] == 1
assets = sdk.get_assets(P)["data"]
assert assets["total"] == 3 and [a["batches"] for a in assets["assets"]] == [["first"], ["first"], ["second"]], assets
assert requests.get(assets["assets"][0]["data"]).text == "a.txt"
if not FIRST:
    # The first generation's script raises before it asks.
    found = sdk.get_assets(P, external_id="b.txt")["data"]
    assert (found["total"], found["assets"][0]["externalId"]) == (1, "b.txt")
assert sdk.assign_batches(P, [assets["assets"][2]["_id"]], [b["_id"] for b in sdk.get_batches(P)][:1])["status"] == "success"
sdk.create_attachment(P, [{"externalId": "c.png", "attachments": [{"type": "TEXT", "value": "look"}]}])

box = {"schemaId": "s-car", "bounding-box": {"x": 1, "y": 2, "width": 3, "height": 4}}
assert sdk.import_labels(P, [{"externalId": "a.txt", "objects": [box]}])["data"]["project"] == "1 / 1 tasks are labeled."
tasks = sdk.get_tasks(P, limit=100)["data"]
assert tasks["total"] == 3
T = {t["externalId"]: t["_id"] for t in tasks["tasks"]}
if FIRST:
    assert [t["externalId"] for t in sdk.get_tasks(P, status="TODO", batches=["second"])["data"]["tasks"]] == ["c.png"]
else:
    assert [t["externalId"] for t in sdk.get_tasks(P, batches=["second"])["data"]["tasks"]] == ["c.png"]
task = sdk.get_task(T["a.txt"])["data"]["task"]
assert task["answer"]["tools"][0]["title"] == "Car" and task["stage"] == "Label"
requests.post(f"{URL}/v2/project/{P}/assigned", headers={"apikey": KEY}, json={"assignees": ["old@example.org"], "role": "Labeler"})
if FIRST:
    assert sdk.assign_task(T["b.txt"], email="old@example.org")["status"] == "success"
    assert sdk.set_asset_priority(P, 5, external_id="b.txt")["status"] == "success"
    status = enums.TaskStatus
    assert sdk.set_task_status(T["b.txt"], next(s for s in status if s.value.lower() == "completed"))["status"] == "success"
    assert sdk.get_task(T["b.txt"])["data"]["task"]["stage"] == "Complete"
    assert sdk.set_task_status(T["b.txt"], next(s for s in status if s.value.lower() == "todo"))["status"] == "success"
    assert sdk.get_task(T["b.txt"])["data"]["task"]["stage"] == "Label"
    refused = sdk.create_webhook("https://example.org", P, "s", [])
    assert refused["status"] == "error" and "not offered" in refused["message"], refused
    assert sdk.get_integrations()["data"]["integrations"] == []
else:
    assert sdk.assign_task(P, [T["b.txt"]], "Label", "old@example.org")["status"] == "success"
    assert sdk.get_storages()["data"]["storages"] == []
    stages = sdk.get_project(P)["data"]["project"]["stages"]
    assert sdk.update_workflow_stages(P, stages)["status"] == "success"
assert sdk.get_task(T["b.txt"])["data"]["task"]["assignee"] == "old@example.org"
issue = sdk.create_issue(T["b.txt"], "wrong", "[1, 2]")["data"]["issue"]
assert issue["position"] == "[1, 2]" and issue["status"] == "Open"

# Answers as these releases send them; no body at all is the echo of a run that failed.
key = "tools" if FIRST else "objects"
assert sdk._annotate(T["a.txt"], {key: [box], "classifications": [], "relations": [], "externalId": "a.txt"})
assert sdk.get_task(T["a.txt"])["data"]["task"]["stage"] == "Complete"
assert sdk._annotate(T["b.txt"], None), "a refusal would end the script's process"
echo = sdk.get_task(T["b.txt"])["data"]["task"]
assert echo["stage"] == "Label" and echo["updatedBy"] is None, "nothing is stored and nothing moves"

if FIRST:
    records = sdk.export(P)
    by_name = {r["externalId"]: r for r in records}
    assert set(by_name) == {"a.txt", "b.txt", "c.png"}, "no stage means all"
    old = by_name["a.txt"]["tasks"][0]
    assert old["objects"][0]["bounding-box"] == box["bounding-box"] and old["taskId"] == T["a.txt"] and old["status"] == "Completed"
    assert [r["externalId"] for r in sdk.export(P, batches=[b["_id"] for b in sdk.get_batches(P)][1:])] == ["c.png"]
    # Its script puts the wrong bound where the other one belongs; both must be there.
    import datetime

    now = datetime.datetime.now()
    day = datetime.timedelta(days=1)
    assert len(sdk.export(P, completed_at=[now - day, now + day], updated_at=[now - day, now + day])) == 1
else:
    assert [r["externalId"] for r in sdk.export(P, stage=["Complete"])] == ["a.txt"]
    lines, count = sdk.exportV3(P, export_format="ndjson")
    assert (len(list(lines)), count) == (3, 3), "this release counts newlines"
    history = sdk.get_task_history(task_id=T["a.txt"])["data"]["taskHistory"]
    assert [h["stageId"] for h in history] == ["Start", "Label"]
    upload = sdk._get_upload_url(f"{P}/exports/{P}.zip")
    assert f"/files/{P}/exports/" in upload
    signed = sdk._get_signed_url(upload)
    requests.put(upload, data=b"result")
    assert requests.get(signed).content == b"result"
    issues = sdk.exportV3(P, export_type="issue")
    assert [i["content"] for i in issues] == ["wrong"]
    nothing, count = sdk.exportV3(sdk.create_project("Empty")["data"]["project"]["_id"], export_format="ndjson")
    assert (list(nothing), count) == ([], 0)

print("\n".join(sorted(CALLED)))
