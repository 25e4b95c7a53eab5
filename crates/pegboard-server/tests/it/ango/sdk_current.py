"""Calls every method of the SDK of `imerit_ango` against the server and checks what it gets.

Arguments: URL, key, id of the organization, a folder to write in. Prints the methods that were called, one per line.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import urllib.request
import zipfile
from datetime import datetime, timedelta, timezone

import requests
from imerit_ango.models.annotate import AnnotationPayload, Answer
from imerit_ango.models.asset_builder_template import AssetBuilderTemplate
from imerit_ango.models.enums import (
    ExportFormats,
    ExportTypes,
    Metrics,
    OrganizationRoles,
    ProjectRoles,
    ReviewStatus,
    StorageFileTypes,
    StorageProvider,
)
from imerit_ango.models.export_options import ExportOptions, TimeFilter
from imerit_ango.models.invite import Invitation, RoleUpdate
from imerit_ango.models.label_category import ClassificationCategory, RelationCategory, ToolCategory
from imerit_ango.models.storage import Storage
from imerit_ango.models.task_filter import NumberRange, StringFilter, TaskFilter
from imerit_ango.sdk import SDK

URL, KEY, ORGANIZATION, FOLDER = sys.argv[1:5]
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


def refused(code: str, call, *arguments, **more) -> None:
    """The call raises, and the server's words name the code."""
    try:
        call(*arguments, **more)
    except Exception as error:  # the SDK raises bare exceptions with the body as text
        body = json.loads(str(error))
        assert body["status"] in ("fail", "error") and body["message"], body
        assert body["code"] == code, body
    else:
        raise AssertionError(f"{call} was not refused with {code}")


# Projects, classes, stages.
project = sdk.create_project("Cars", "Cars on roads")["data"]["project"]
P = project["_id"]
assert len(P) == 24 and project["type"] == "ango" and [s["id"] for s in project["stages"]] == ["Start", "Label", "Complete"]
assert any(p["_id"] == P for p in sdk.list_projects(1, 666)["data"]["projects"])
car = ToolCategory.__new__(ToolCategory)
schema = {
    "tools": [
        {
            "tool": "bounding-box", "title": "Car", "schemaId": "s-car",
            "classifications": [{"tool": "radio", "title": "Type", "schemaId": "c-type", "options": [{"value": "Truck"}]}],
        },
        {"tool": "polygon", "title": "Road", "schemaId": "s-road"},
    ],
    "classifications": [{"tool": "radio", "title": "Weather", "schemaId": "c-weather", "options": [{"value": "Sunny"}]}],
    "relations": [{"tool": "one-to-one", "title": "part of", "schemaId": "r-part"}],
}
got = sdk.create_label_set(P, raw_category_schema=schema)["data"]["project"]["categorySchema"]
assert got["tools"][0]["schemaId"] == "s-car" and got["classifications"][0]["options"][0]["schemaId"]
stages = sdk.get_project(P)["data"]["project"]["stages"]
stages[1]["next"] = ["Review"]
stages.insert(2, {"id": "Review", "type": "Review", "name": "Check", "next": ["Complete"], "assignedTo": [], "position": {"x": 1, "y": 1}})
again = sdk.update_workflow_stages(P, stages)["data"]["project"]["stages"]
assert [s["id"] for s in again] == ["Start", "Label", "Review", "Complete"] and again[2]["name"] == "Check"
refused("stages", sdk.update_workflow_stages, P, [{"id": "a", "type": "Start", "next": ["nowhere"]}])
sdk.update_benchmark_settings(P, True, benchmark_ratio=5)
assert sdk.get_project(P)["data"]["project"]["benchmarkRatio"] == 5
sdk.update_label_validation(P, custom_validation_enabled=False)
refused("not-offered", sdk.update_label_validation, P, custom_validation_enabled=True, validation_function="x")
sdk.add_members_to_project(P, ["ann@example.org"], ProjectRoles.Labeler)
assert sdk.get_project(P)["data"]["project"]["assignedTo"] == [{"email": "ann@example.org", "role": "Labeler"}]
template = AssetBuilderTemplate(
    name="t", description="", template="# |a|", batch_column="", external_id_column="a", data_config={}, pre_label_config={}
)
with contextlib.suppress(Exception):
    template.validate()
created = sdk.make_request("POST", f"/v2/project/{P}/assetBuilderTemplates", {**template.to_dict(), "name": "t"})
assert created["data"]["assetBuilderTemplate"]["_id"]
assert [t["name"] for t in sdk.get_asset_builder_templates(P)] == ["t"]

# Batches: what is made is there at the very next call.
batch = sdk.create_batch(P, "batch-1")["data"]["project"]
assert batch["name"] == "batch-1"
assert sdk.create_batches(P, ["batch-1", "batch-2"])["data"]["project"]["batches"][0] == batch
assert [b["name"] for b in sdk.get_batches(P)] == ["batch-1", "batch-2"]

# Files: put without a key or a type, recognised as our own, signed when they are shown.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000005000000070802000000"
    "fd9a5c4b0000000049454e44ae426082"
)
paths = []
for name in ("a.png", "b c.png"):
    path = os.path.join(FOLDER, name)
    with open(path, "wb") as file:
        file.write(PNG + name.encode())
    paths.append({"data": path, "externalId": name, "contextData": {"from": "test"}})
answer = sdk.upload_files(P, paths, batches=["batch-1"])
assert answer == {
    "status": "success",
    "data": {"assets": {"assetsCreated": 2, "tasksCreated": 2, "preLabelsCount": 0, "validPreLabelsCount": 0}},
}, answer
page = sdk.get_assets(P)["data"]
assert page["total"] == 2 and [a["externalId"] for a in page["assets"]] == ["a.png", "b c.png"], page
first = page["assets"][0]
assert first["batches"] == ["batch-1"] and first["contextData"] == {"from": "test"}
assert first["metadata"] == {"width": 5, "height": 7}, first
assert requests.get(first["data"]).content == PNG + b"a.png"
assert requests.get(first["data"].split("?")[0]).status_code == 403, "a file needs its signature"
assert first["labelTasks"][0]["stageHistory"][0]["stageId"] == "Start"

# By URL, as it is, with batches of their own and an answer to begin with.
cloud = [
    {"data": "https://example.org/c.png?token=1", "externalId": "c.png", "batches": ["batch-2"]},
    {"data": "# A text\n\nof two lines", "externalId": "d.md", "metadata": {"width": 1, "height": 2}},
    {"data": "https://example.org/e.png", "externalId": "e.png", "classifications": [{"title": "Weather", "answer": "Sunny"}]},
    {"data": "https://example.org/f.png", "externalId": "f.png", "classifications": [{"title": "Nope", "answer": "x"}]},
]
answer = sdk.upload_files_cloud(P, cloud, batches=["batch-1"], priority=3)
assert answer["data"]["assets"] == {"assetsCreated": 4, "tasksCreated": 4, "preLabelsCount": 2, "validPreLabelsCount": 1}, answer
wrong = sdk.upload_files_cloud(P, [{"externalId": "no data"}])
assert wrong["status"] == "fail" and "data" in wrong["message"], wrong


def external(filters: dict) -> list[str]:
    found = sdk.get_assets(P, limit=1000, filters=filters)["data"]
    assert found["total"] == len(found["assets"])
    return [a["externalId"] for a in found["assets"]]


batch_ids = {b["name"]: b["_id"] for b in sdk.get_batches(P)}
assert external({"externalId": "c.png"}) == ["c.png"]
assert external({"_id": first["_id"]}) == ["a.png"]
assert external({"batches": [batch_ids["batch-2"]]}) == ["c.png"]
assert external({"batches": [batch_ids["batch-1"], batch_ids["batch-2"]]}) == []
assert external({"isPreLabeled": True}) == ["e.png"]
assert external({"externalId": "nothing"}) == []
assert [a["externalId"] for a in sdk.get_assets(P, page=2, limit=4)["data"]["assets"]] == ["e.png", "f.png"]
c = sdk.get_assets(P, filters={"externalId": "c.png"})["data"]["assets"][0]
assert c["data"] == "https://example.org/c.png?token=1"
assert sdk.assign_batches(P, [c["_id"]], ["batch-1"])["data"]["assets"] == 1
assert sorted(sdk.get_assets(P, filters={"_id": c["_id"]})["data"]["assets"][0]["batches"]) == ["batch-1", "batch-2"]
sdk.create_attachment(P, [{"externalId": "c.png", "attachments": [{"type": "TEXT", "value": "look"}]}])
assert sdk.get_assets(P, filters={"_id": c["_id"]})["data"]["assets"][0]["attachments"] == [{"type": "TEXT", "value": "look"}]

# Pre-labels: by external id, by data, by title; what does not fit is counted.
labels = [
    {
        "externalId": "a.png",
        "objects": [
            {
                "schemaId": "s-car", "objectId": "o1", "bounding-box": {"x": 20, "y": 30, "width": 50, "height": 60},
                "classifications": [{"schemaId": "c-type", "answer": "Truck"}],
            },
            {"title": "Road", "polygon": [[0, 400], [640, 400], [640, 480], [0, 480]]},
        ],
        "classifications": [{"schemaId": "c-weather", "answer": "Sunny"}],
        "relations": [],
    },
    {"data": page["assets"][1]["data"].split("?")[0], "objects": [{"title": "Car", "bounding-box": {"x": 1, "y": 2, "width": 3, "height": 4}}]},
    {"externalId": "not there", "objects": []},
]
assert sdk.import_labels(P, labels)["data"]["project"] == "2 / 3 tasks are labeled."

# Tasks.
tasks = sdk.get_tasks(P, limit=100)["data"]
assert tasks["total"] == 6 and "answer" not in tasks["tasks"][0]
by_name = {t["externalId"]: t["_id"] for t in tasks["tasks"]}
T = by_name["a.png"]
task = sdk.get_task(T)["data"]["task"]
assert task["project"] == P and task["stage"] == "Label" and task["isPreLabeled"] and task["asset"]["externalId"] == "a.png"
assert task["answer"]["tools"][0]["metadata"]["createdBy"] == "import" and task["answer"]["tools"][0]["lock"] is False
assert [t["title"] for t in task["answer"]["tools"]] == ["Car", "Road"]
empty = sdk.get_task(by_name["f.png"], include_answer=False)["data"]["task"]["answer"]
assert empty == {"tools": [], "classifications": [], "relations": []}, "merging reads all three lists"
assert sdk.get_tasks(P, include_answer=True)["data"]["tasks"][0]["answer"]["tools"][0]["title"] == "Car"
only = sdk.get_tasks(P, fields="stage")["data"]["tasks"][0]
assert set(only) == {"_id", "project", "asset", "stage"}, only


def named(**more) -> list[str]:
    found = sdk.get_tasks(P, limit=100, **more)["data"]
    assert found["total"] == len(found["tasks"])
    return [t["externalId"] for t in found["tasks"]]


assert named(task_filter=TaskFilter(stage="Label", batches=["batch-2"])) == ["c.png"]
assert named(task_filter=TaskFilter(external_id=StringFilter(regex="^[ab]"))) == ["a.png", "b c.png"]
assert named(task_filter=TaskFilter(priority=NumberRange(gte=3)), sort="-externalId") == ["f.png", "e.png", "d.md", "c.png"]
assert named(stage="Label", batches=[batch_ids["batch-2"]]) == ["c.png"]
assert named(stage="Complete") == []
assert sdk.assign_task(P, [T], "Label", "ann@example.org")["data"]["tasks"] == 1
assert named(task_filter=TaskFilter(assignee="ann@example.org")) == ["a.png"]
sdk.update_tasks_priority(P, 7, {"externalIds": ["a.png"]})
assert sdk.get_task(T)["data"]["task"]["priority"] == 7
refused("priority", sdk.update_tasks_priority, P, 2000)

# Answers: merged by the client, replaced by the server; sent on.
new = AnnotationPayload(Answer(objects=[{"schemaId": "s-car", "bounding-box": {"x": 1, "y": 1, "width": 1, "height": 1}}]))
assert sdk.annotate_task(T, new) is True
answered = sdk.get_task(T)["data"]["task"]
assert len(answered["answer"]["tools"]) == 3 and answered["stage"] == "Label" and answered["updatedBy"]
new = AnnotationPayload(Answer(classifications=[{"schemaId": "c-weather", "answer": "Sunny"}]))
assert sdk.annotate_task(T, new, overwrite=True, send_to_next_stage=True) is True
answered = sdk.get_task(T)["data"]["task"]
assert answered["answer"]["tools"] == [] and answered["stage"] == "Review"
assert sdk.import_labels(P, [labels[0]])["data"]["project"] == "0 / 1 tasks are labeled.", "somebody has worked on it"
refused("answer", sdk.annotate_task, T, AnnotationPayload(Answer(objects=[{"schemaId": "nope"}])), overwrite=True)
refused("task-elsewhere", sdk._annotate_task, T, new, True, True, True)
refused("task-not-found", sdk.annotate_task, "0" * 24, new, overwrite=True)
assert sdk.review_task(T, ReviewStatus.REJECTED)["data"]["task"]["stage"] == "Label"
sdk.annotate_task(T, new, overwrite=True, send_to_next_stage=True)
assert sdk.review_task(T, ReviewStatus.ACCEPTED)["data"]["task"]["stage"] == "Complete"
history = sdk.get_task_history(task_id=T)["data"]["taskHistory"]
assert [h["stageId"] for h in history] == ["Start", "Label", "Review", "Label", "Review"], history
assert history[2]["reviewStatus"] == "Rejected" and history[1]["completedBy"]
assert sdk.get_task_history(task_history_id=history[1]["_id"])["data"]["taskHistory"]["stageId"] == "Label"
moved = sdk.requeue_tasks(P, "Review", {"externalIds": ["b c.png"]}, {"removeAnnotations": True})["data"]["modifiedCount"]
assert moved == {"modified": 1, "toStageId": "Review"}
assert sdk.get_task(by_name["b c.png"])["data"]["task"]["answer"]["tools"] == []
sdk.set_tasks_as_benchmark(P, [by_name["f.png"]])
assert named(task_filter=TaskFilter(is_benchmark=True)) == ["f.png"]
sdk.set_tasks_as_benchmark(P, [by_name["f.png"]], False)

# Exports.
records = sdk.export(P)
assert [r["externalId"] for r in records] == ["a.png"], "complete ones unless said"
record = records[0]
assert record["task"]["taskId"] == T and record["batches"] == ["batch-1"] and record["metadata"] == {"width": 5, "height": 7}
assert record["task"]["classifications"][0]["answer"] == "Sunny" and record["task"]["tools"] == []
assert [h["stage"] for h in record["task"]["stageHistory"]] == ["Start", "Label", "Check", "Label", "Check"]
assert requests.get(record["asset"]).content == PNG + b"a.png"
everything, count = sdk.exportV3(P, ExportOptions(stage=[], export_format=ExportFormats.NDJSON, include_history=False))
everything = list(everything)
assert count == 6 == len(everything) and "stageHistory" not in everything[0]["task"]
in_batch = sdk.export(P, ExportOptions(stage=[], batches=[batch_ids["batch-2"]]))
assert [r["externalId"] for r in in_batch] == ["c.png"]
later = TimeFilter(from_date=datetime.now(timezone.utc) + timedelta(hours=1))
assert sdk.export(P, ExportOptions(stage=[], updated_at=later)) == []
target = os.path.join(FOLDER, "export.zip")
sdk.export(P, ExportOptions(stage=["Review"]), zip_file_path=target)
with zipfile.ZipFile(target) as archive:
    assert [r["externalId"] for r in json.loads(archive.read(archive.namelist()[0]))] == ["b c.png"]
none = sdk.create_project("Empty")["data"]["project"]["_id"]
assert sdk.export(none, ExportOptions(stage=[])) == []
lines, count = sdk.export(none, ExportOptions(stage=[], export_format=ExportFormats.NDJSON))
assert (list(lines), count) == ([], 0)

# Issues.
issue = sdk.create_issue(T, "too small", position=[1, 2], error_codes=[{"category": "c", "name": "n"}])["data"]["issue"]
assert issue["status"] == "Open" and issue["position"] == "[1, 2]"
sdk.add_comment_to_issue(issue["_id"], "so it is")
sdk.update_issue(issue["_id"], status="Resolved", content="far too small")
found = sdk.get_issues(P, task_id=T)["data"]["issues"]
assert [i["content"] for i in found] == ["far too small"] and found[0]["comments"][0]["content"] == "so it is"
assert sdk.get_issues(P, asset_id="0" * 24)["data"]["issues"] == []
exported = sdk.export(P, ExportOptions(export_type=ExportTypes.ISSUE))
assert exported[0]["asset"] == {"_id": first["_id"], "externalId": "a.png", "batches": ["batch-1"]}
assert exported[0]["labelTask"] == T and exported[0]["comments"][0]["content"] == "so it is"
sdk.delete_issue(P, issue["_id"])
assert sdk.get_issues(P)["data"]["issues"] == []

# Storages: what is secret comes back to those who may have it.
storage = sdk.create_storage(Storage("bucket", StorageProvider.AWS, "public", "private", "eu-central-1"))["data"]["storage"]
mine = sdk.get_storages(storage["_id"])
assert (mine["publicKey"], mine["privateKey"], mine["region"], mine["provider"]) == ("public", "private", "eu-central-1", "AWS")
assert len(sdk.get_storages()["data"]["storages"]) == 1
sdk.delete_storage(storage["_id"])
assert sdk.get_storages()["data"]["storages"] == []

# What a plugin does with its result.
upload = sdk._get_upload_url(f"{P}.zip", P, StorageFileTypes.EXPORT)
signed = sdk._get_signed_url(upload, P, StorageFileTypes.EXPORT)
assert requests.get(signed).status_code == 404, "not there yet"
assert requests.put(upload, data=b"result").status_code == 200
assert urllib.request.urlopen(signed).read() == b"result"
brush = sdk.create_project("Brushes")["data"]["project"]["_id"]
upload = sdk._get_upload_url("b.png", brush, StorageFileTypes.BRUSH)
requests.put(upload, data=PNG)
sdk.annotate_task(by_name["d.md"], AnnotationPayload(Answer(), brush_data_url=upload.split("?")[0]), overwrite=True)

# People.
sdk.update_organization_members_role(ORGANIZATION, [RoleUpdate("ann@example.org", OrganizationRoles.Admin)])
members = {u["email"]: u["organizationRole"] for u in sdk.get_organization_members(ORGANIZATION)["data"]["users"]}
assert members["ann@example.org"] == "admin"
assert sdk.send_notification(["ann@example.org"], "hello", "A title", "https://example.org/x")["data"]["receivers"] == 1
refused("notification", sdk.send_notification, ["stranger@example.org"], "hello")
refused("notification", sdk.send_notification, ["ann@example.org"], "hello", None, "javascript:alert(1)")
sdk.invite_members_to_org(ORGANIZATION, Invitation(["bob@example.org"], OrganizationRoles.Member))
assert sdk.get_organization_invites(ORGANIZATION)["data"]["invites"] == []
sdk.delete_organization_invites(ORGANIZATION, ["bob@example.org"])
sdk.delete_organization_members(ORGANIZATION, ["ann@example.org", "bob@example.org"])
assert "ann@example.org" not in {u["email"] for u in sdk.get_organization_members(ORGANIZATION)["data"]["users"]}

# The rest.
notes = os.path.join(FOLDER, "how to.md")
with open(notes, "w") as file:
    file.write("draw tightly")
shown = sdk.upload_instructions(P, notes)["data"]["project"]["instructions"]
assert requests.get(shown).text == "draw tightly"
copy = sdk.clone_project(P)["data"]["project"]
assert copy["name"] == "Cars copy" and copy["_id"] != P and copy["assetCount"] == 0 and len(copy["stages"]) == 4
assert copy["categorySchema"]["tools"][0]["schemaId"] == "s-car"
bare = sdk.clone_project(P, category_schema=False, batches=False, workflow=False)["data"]["project"]
assert bare["categorySchema"]["tools"] == [] and bare["batches"] == [] and len(bare["stages"]) == 3
sdk.delete_assets(P, [c["_id"]])
assert external({"externalId": "c.png"}) == [] and sdk.get_tasks(P)["data"]["total"] == 5
sdk.delete_project(none)
refused("project-not-found", sdk.get_project, none)
refused("confirm-name", sdk.purge_project, copy["_id"], "Another name")
sdk.purge_project(copy["_id"], "Cars copy")
refused("project-not-found", sdk.get_project, copy["_id"])

# What this server does not have says so.
refused("not-offered", sdk.get_metrics, P, Metrics.TimePerTask)
refused("not-offered", sdk.get_project_performance, P)
refused("not-offered", sdk.rerun_webhook, P, "Label")
refused("not-offered", sdk.get_llms)
refused("not-offered", sdk.delete_llm, "0" * 24)
refused("not-offered", sdk.list_storage_files, "0" * 24, "bucket")
refused("not-offered", sdk.file_explorer, "bucket", "0" * 24, {})

print("\n".join(sorted(CALLED)))
