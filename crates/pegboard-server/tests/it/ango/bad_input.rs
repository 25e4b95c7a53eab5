//! What should not be sent, row by row; and what a link allows.

use serde_json::{Value as Json, json};

use super::ask::Hub;

#[test]
fn keys() {
    let hub = Hub::new();
    let path = format!("/v2/project/{}", hub.project);
    for headers in [&[][..], &[("apikey", "")], &[("apikey", "nope")], &[("apikey", "ü")], &[("authorization", "Bearer x")]] {
        let answer = hub.raw("GET", &path, headers, b"").refused(401, "invalid-api-key");
        assert!(answer["message"].as_str().unwrap().starts_with("Invalid API KEY"));
    }
    // Also where the rest is wrong, and where there is no route: nobody without a key learns what is there.
    hub.raw("POST", "/v2/import/labels", &[], b"{").refused(401, "invalid-api-key");
    hub.raw("GET", "/v2/task/xyz", &[], b"").refused(401, "invalid-api-key");

    let other = hub.world.run(&["project", "create", "Other"]).well().stdout.trim().to_owned();
    let only = hub.world.run(&["key", "create", "--project", &other, "--json"]).well().json();
    let only = [("apikey", only["key"].as_str().unwrap())];
    hub.raw("GET", &path, &only, b"").refused(403, "key-for-another-project");
    hub.raw("GET", &format!("/v2/project/{other}"), &only, b"").data();
    hub.raw("POST", "/v2/project", &only, br#"{"name": "x"}"#).refused(403, "admins-only");
    let listed = hub.raw("GET", "/v2/listProjects", &only, b"").data();
    assert_eq!((listed["total"].as_u64(), &listed["projects"][0]["_id"]), (Some(1), &json!(other)));

    let member = hub.world.run(&["key", "create", "--user", "ann@example.org"]).well().stdout;
    let member = [("apikey", member.trim())];
    hub.raw("GET", &path, &member, b"").refused(403, "not-a-member");
    hub.post(&format!("{path}/assigned"), &json!({ "assignees": ["ann@example.org"], "role": "Labeler" })).data();
    hub.raw("GET", &path, &member, b"").data();
    hub.raw("POST", "/v2/storages/", &member, br#"{"name": "x", "provider": "AWS"}"#).refused(403, "admins-only");

    let short = hub.world.run(&["key", "create", "--lifetime", "1ms"]).well().stdout;
    std::thread::sleep(std::time::Duration::from_millis(5));
    hub.raw("GET", &path, &[("apikey", short.trim())], b"").refused(401, "invalid-api-key");
    let list = hub.world.run(&["key", "ls", "--json"]).well().json();
    assert!(!list.to_string().contains(&hub.key), "a key is shown once");
    let id =
        list["keys"].as_array().unwrap().iter().find(|key| key["name"] == "test").unwrap()["id"].as_str().unwrap().to_owned();
    hub.world.run(&["key", "revoke", &id]).well();
    hub.get(&path).refused(401, "invalid-api-key");
    hub.world.run(&["key", "revoke", &id]).failed(1, &["there is no key"]);
}

#[test]
fn rows() {
    let hub = Hub::new();
    hub.classes();
    let task = hub.assets(&["a.png"]).remove(0);
    let (p, nobody) = (&hub.project, "0".repeat(24));
    let rows: Vec<(&str, String, Json, u16, &str)> = vec![
        ("GET", "/v2/project/xyz".into(), Json::Null, 400, "project-not-found"),
        ("GET", format!("/v2/project/{nobody}"), Json::Null, 400, "project-not-found"),
        ("GET", "/v2/export?format=json".into(), Json::Null, 400, "project-not-found"),
        ("GET", format!("/v2/export?project={p}&format=split"), Json::Null, 400, "export-format"),
        ("GET", format!("/v2/export?project={p}&stage=[1]"), Json::Null, 400, "query"),
        ("GET", format!("/v2/export?project={p}&stage=[\"Nowhere\"]"), Json::Null, 400, "stage-not-found"),
        ("GET", format!("/v2/export?project={p}&batches=[\"none\"]"), Json::Null, 400, "batch-not-found"),
        ("GET", format!("/v2/export?project={p}&updatedAt={{"), Json::Null, 400, "query"),
        ("GET", format!("/v2/export?project={p}&labeledAt=true&updatedAt[gt]=soon"), Json::Null, 400, "query"),
        ("GET", format!("/v2/getUploadUrl?project={p}&type=assets"), Json::Null, 400, "query"),
        ("GET", format!("/v2/getUploadUrl?project={p}&type=cellar&name=a"), Json::Null, 400, "file-type"),
        ("GET", format!("/v2/getUploadUrl?project={p}&type=written&name=a"), Json::Null, 400, "file-type"),
        ("GET", format!("/v2/getUploadUrl?project={p}&type=assets&name=../../etc/passwd"), Json::Null, 400, "file-name"),
        ("GET", format!("/v2/getUploadUrl?project={p}&type=assets&name=a%5Cb"), Json::Null, 400, "file-name"),
        ("GET", format!("/v2/getUploadUrl?project={p}&type=assets&name=a%00b"), Json::Null, 400, "file-name"),
        ("GET", format!("/v2/project/{p}/assets?page=x"), Json::Null, 400, "query"),
        ("GET", format!("/v2/project/{p}/assets?filters=[]"), Json::Null, 400, "filter"),
        ("GET", format!("/v2/project/{p}/assets?filters={{\"a\":{{\"$where\":\"1\"}}}}"), Json::Null, 400, "filter"),
        ("GET", format!("/v2/project/{p}/tasks?filter={{\"a\":{{\"$regex\":\"(\"}}}}"), Json::Null, 400, "filter"),
        ("GET", format!("/v2/task/{nobody}"), Json::Null, 404, "task-not-found"),
        ("GET", "/v2/task/x".into(), Json::Null, 404, "task-not-found"),
        ("GET", format!("/v2/taskHistory/{nobody}"), Json::Null, 404, "task-not-found"),
        ("GET", "/v2/nothing/here".into(), Json::Null, 404, "route-not-found"),
        ("PUT", "/v2/listProjects".into(), Json::Null, 405, "method-not-allowed"),
        ("POST", "/v2/project".into(), json!({}), 400, "body"),
        ("POST", "/v2/project".into(), json!({ "name": "x", "type": "cellar" }), 400, "project-type"),
        ("POST", format!("/v2/project/{p}"), json!({}), 400, "body"),
        ("POST", format!("/v2/project/{p}"), json!([]), 400, "body"),
        ("POST", format!("/v2/project/{p}"), json!({ "_id": "x" }), 400, "body"),
        ("POST", format!("/v2/project/{p}"), json!({ "categorySchema": { "tools": [{}] } }), 400, "category-schema"),
        ("POST", format!("/v2/project/{p}"), json!({ "stages": [] }), 400, "stages"),
        ("POST", format!("/v2/project/{p}"), json!({ "stages": [{ "id": "a", "type": "Start" }] }), 409, "stage-in-use"),
        ("POST", format!("/v2/batches/{p}"), json!({}), 400, "body"),
        ("POST", format!("/v2/batches/{p}"), json!({ "name": " " }), 400, "batch-name"),
        ("POST", format!("/v2/project/{p}/cloud"), json!({}), 400, "body"),
        ("POST", format!("/v2/project/{p}/cloud"), json!({ "assets": [1] }), 400, "asset"),
        ("POST", format!("/v2/project/{p}/cloud"), json!({ "assets": [{}] }), 400, "asset-data"),
        ("POST", format!("/v2/project/{p}/cloud"), json!({ "assets": [{ "data": 1 }] }), 400, "asset"),
        ("POST", format!("/v2/project/{p}/cloud"), json!({ "assets": [{ "data": "x", "batches": ["none"] }] }), 400, "asset"),
        (
            "POST",
            format!("/v2/project/{p}/cloud?batches=[\"none\"]"),
            json!({ "assets": [{ "data": "x" }] }),
            400,
            "batch-not-found",
        ),
        ("POST", "/v2/import/labels".into(), json!({ "project": p }), 400, "body"),
        ("POST", "/v2/import/labels".into(), json!({ "project": p, "jsonContent": {} }), 400, "body"),
        ("POST", format!("/v2/annotate/{task}"), json!([]), 400, "body"),
        ("POST", format!("/v2/annotate/{task}"), json!({}), 400, "body"),
        ("POST", format!("/v2/annotate/{task}"), json!({ "answer": { "objects": [{ "schemaId": "nope" }] } }), 400, "answer"),
        (
            "POST",
            format!("/v2/annotate/{task}"),
            json!({ "answer": { "objects": [{ "title": "Car", "bounding-box": {} }] } }),
            400,
            "answer",
        ),
        ("POST", format!("/v2/annotate/{task}?nextStage=true&isPlugin=true"), json!({ "answer": {} }), 409, "task-elsewhere"),
        ("POST", format!("/v2/annotate/{nobody}"), json!({ "answer": {} }), 404, "task-not-found"),
        ("POST", format!("/v2/review/{task}"), json!({ "reviewStatus": "Accepted" }), 409, "task-elsewhere"),
        ("POST", format!("/v2/review/{task}"), json!({ "reviewStatus": "Fine" }), 400, "review-status"),
        ("POST", "/v2/task/assign".into(), json!({ "tasks": [task], "user": "nobody@example.org" }), 404, "user-not-found"),
        ("POST", format!("/v2/task/{task}/status"), json!({ "status": "Dancing" }), 400, "task-status"),
        ("POST", format!("/v2/project/{p}/requeueTasks"), json!({ "toStageId": "Nowhere" }), 400, "stage-not-found"),
        ("POST", format!("/v2/project/{p}/updatePriority"), json!({ "priority": 1.5 }), 400, "priority"),
        (
            "POST",
            "/v2/attachments".into(),
            json!({ "project": p, "attachments": [{ "externalId": "a.png", "attachments": [{ "type": "SONG" }] }] }),
            400,
            "attachment",
        ),
        ("POST", "/v2/issues".into(), json!({ "labelTask": task, "content": "" }), 400, "issue-content"),
        ("POST", format!("/v2/issues/{nobody}"), json!({ "content": "x" }), 404, "issue-not-found"),
        ("POST", "/v2/storages/".into(), json!({ "name": "x", "provider": "LOCAL" }), 400, "storage-provider"),
        ("DELETE", format!("/v2/storages/{nobody}"), Json::Null, 404, "storage-not-found"),
        ("GET", format!("/v2/organization/{nobody}/users"), Json::Null, 404, "organization-not-found"),
        ("POST", format!("/v2/project/{p}/purge"), json!({ "confirmName": "Bikes" }), 400, "confirm-name"),
        ("POST", format!("/v2/project/{p}/labelValidation"), json!({ "customValidationEnabled": true }), 501, "not-offered"),
    ];
    for (method, path, body, status, code) in rows {
        // As the client's HTTP library writes it.
        let encoded = path.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
        let answer = hub.ask(method, &encoded, &body);
        println!("{method} {path}");
        answer.refused(status, code);
    }
    // None of that changed anything.
    assert_eq!(hub.get(&format!("/v2/project/{p}/assets")).data()["total"], 1);
    assert_eq!(hub.get(&format!("/v2/task/{task}")).data()["task"]["stage"], "Label");
    let broken = hub.raw("POST", "/v2/import/labels", &[("apikey", &hub.key)], b"{\"project\": NaN}");
    broken.refused(400, "body");
    let large = vec![b' '; 17 << 20];
    hub.raw("POST", "/v2/import/labels", &[("apikey", &hub.key)], &large).refused(413, "body-too-large");
}

#[test]
fn a_failed_runs_echo_is_not_stored() {
    let hub = Hub::new();
    hub.classes();
    let task = hub.assets(&["a.png"]).remove(0);
    let car = json!({ "title": "Car", "bounding-box": { "x": 1, "y": 2, "width": 3, "height": 4 } });
    hub.post(&format!("/v2/annotate/{task}"), &json!({ "answer": { "tools": [car] }, "duration": 1500 })).data();
    let echo = hub.post(&format!("/v2/annotate/{task}?nextStage=true"), &json!({ "answer": null, "duration": 0 })).data();
    assert_eq!((&echo["label"]["stage"], echo["label"]["answer"]["tools"].as_array().unwrap().len()), (&json!("Label"), 1));
    let stored = hub.get(&format!("/v2/task/{task}?includeAnswer=False")).data()["task"].clone();
    assert_eq!((&stored["stage"], stored["duration"].as_u64()), (&json!("Label"), Some(1500)));
    for list in ["tools", "classifications", "relations"] {
        assert!(stored["answer"][list].is_array(), "clients merge into `{list}`");
    }
}

#[test]
fn links_allow_what_they_say_and_nothing_else() {
    let hub = Hub::new();
    let p = &hub.project;
    let url = |path: &str, key: &str| hub.get(path).data()[key].as_str().unwrap().to_owned();
    let upload = url(&format!("/v2/getUploadUrl?name=a%20b.png&project={p}&type=assets"), "uploadUrl");
    assert_eq!(upload.matches(['?', '&']).count(), 1, "one parameter: clients send it on unencoded");
    // The whole link as a parameter, unencoded, as every release sends it.
    let signed = url(&format!("/v2/getSignedUrl?name={upload}&project={p}&type=assets"), "signedUrl");
    let (put, get) = (hub.path(&upload).to_owned(), hub.path(&signed).to_owned());
    assert_eq!(hub.raw("GET", &get, &[], b"").status, 404, "not there yet");
    assert_eq!(hub.raw("PUT", &put, &[], b"bytes").status, 200, "no key, no type");
    let read = hub.raw("GET", &get, &[], b"");
    assert_eq!((read.status, read.body.as_slice()), (200, &b"bytes"[..]));
    assert!(read.head.contains("content-type: image/png") && read.head.contains("nosniff"), "{}", read.head);

    let (bare, value) = get.split_once("?sig=").unwrap();
    let (end, signature) = value.split_once('.').unwrap();
    let later = end.parse::<u64>().unwrap() + 1;
    let other = bare.replace("assets", "exports");
    for wrong in [
        bare.to_owned(),
        format!("{bare}?sig="),
        format!("{bare}?sig={end}"),
        format!("{bare}?sig={later}.{signature}"),
        format!("{bare}?sig=1.{signature}"),
        format!("{bare}?upload={value}"),
        format!("{other}?sig={value}"),
        put.clone(),
        format!("/files/..%2F..%2Fhub.key?sig={value}"),
        format!("/files/{p}/assets/../../secret?sig={value}"),
    ] {
        let answer = hub.raw("GET", &wrong, &[("apikey", &hub.key)], b"");
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (403, Some("file-link")), "{wrong}");
    }
    assert_eq!(hub.raw("PUT", &get, &[], b"x").status, 403, "a link to read does not write");
    // Our own file is recognised by the URL without its query, and signed when it is shown.
    let asset = json!({ "data": upload.split('?').next().unwrap(), "externalId": "a b.png" });
    hub.post(&format!("/v2/project/{p}/cloud"), &json!({ "assets": [asset], "uploadLocal": "true" })).data();
    let shown = hub.get(&format!("/v2/project/{p}/assets")).data()["assets"][0]["data"].as_str().unwrap().to_owned();
    assert_eq!(hub.raw("GET", hub.path(&shown), &[], b"").body, b"bytes");
    // Another project's file is not this one's: it stays the URL that it is, and needs its own signature.
    let other = hub.world.run(&["project", "create", "Other"]).well().stdout.trim().to_owned();
    hub.post(&format!("/v2/project/{other}/cloud"), &json!({ "assets": [asset] })).data();
    let foreign = hub.get(&format!("/v2/project/{other}/assets")).data()["assets"][0]["data"].as_str().unwrap().to_owned();
    assert_eq!(hub.raw("GET", hub.path(&foreign), &[], b"").status, 403);
    // Files of a project that is gone are gone.
    hub.world.run(&["project", "rm", p]).well();
    assert_eq!(hub.raw("GET", &get, &[], b"").status, 404);
}

#[test]
fn files_over_the_limit_are_refused_and_leave_nothing() {
    let mut hub = Hub::new();
    let p = hub.project.clone();
    hub.world.kill();
    std::fs::write(hub.world.data().join("pegboard.toml"), "[server]\nupload_limit = \"1KiB\"\n").unwrap();
    hub.world.start();
    let upload = hub.get(&format!("/v2/getUploadUrl?name=a.png&project={p}&type=assets")).data();
    let upload = upload["uploadUrl"].as_str().unwrap().to_owned();
    let answer = hub.raw("PUT", hub.path(&upload), &[], &[0; 2048]);
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (413, Some("body-too-large")));
    let signed = hub.get(&format!("/v2/getSignedUrl?name={upload}&project={p}&type=assets")).data();
    assert_eq!(hub.raw("GET", hub.path(signed["signedUrl"].as_str().unwrap()), &[], b"").status, 404);
    assert_eq!(hub.raw("PUT", hub.path(&upload), &[], &[0; 1024]).status, 200);
}
