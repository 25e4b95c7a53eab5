//! Pages of projects, and what they ask of the API.

use serde_json::{Value as Json, json};

use super::{ESCAPED, HOSTILE, ask, page, well};
use crate::support::World;

fn text<'a>(value: &'a Json, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// A project with classes; its id.
fn project(world: &World, name: &str) -> String {
    let made = well(world, "POST", "/api/v1/projects", &json!({ "name": name, "description": name }));
    let id = text(&made, "id").to_owned();
    let schema = json!({
        "tools": [
            { "tool": "bounding-box", "title": "Car", "schemaId": "car", "color": "#123456" },
            { "tool": "polygon", "title": HOSTILE, "schemaId": "road", "color": "url(https://evil.example/#x)\"><script>" },
        ],
        "classifications": [{ "tool": "radio", "title": HOSTILE, "schemaId": "question", "options": [{ "value": HOSTILE }] }],
    });
    well(world, "PUT", &format!("/api/v1/projects/{id}/schema"), &schema);
    id
}

fn import(world: &World, project: &str, items: &Json) {
    well(world, "POST", &format!("/api/v1/projects/{project}/assets"), &json!({ "items": items }));
}

fn names(list: &Json) -> Vec<&str> {
    list["assets"].as_array().unwrap().iter().map(|asset| text(asset, "external_id")).collect()
}

#[test]
fn hostile_names_are_text_on_every_page() {
    let world = World::new();
    let id = project(&world, HOSTILE);
    let objects = json!([
        { "schemaId": "car", "objectId": HOSTILE, "bounding-box": { "x": 100, "y": 90, "width": -40, "height": -30 } },
        { "schemaId": "road", "polygon": [[0, 1], [2, 3], [4, 5]] },
    ]);
    let answers = json!([{ "schemaId": "question", "answer": HOSTILE }]);
    import(
        &world,
        &id,
        &json!([
            { "data": "https://example.org/a.png", "externalId": HOSTILE, "metadata": { "width": 640, "height": 480, HOSTILE: HOSTILE },
              "objects": objects, "classifications": answers, "batches": [HOSTILE], "contextData": { HOSTILE: HOSTILE } },
            { "data": HOSTILE, "externalId": "text" },
            { "data": format!("# Heading\n\n{HOSTILE} [x](javascript:alert(1)) <img src=x onerror=alert(1)>"), "externalId": "markdown" },
            { "data": "javascript:alert(1)//x.png", "externalId": "link" },
            { "data": "https://example.org/a.pdf?\"><script>", "externalId": "pdf", "metadata": "no object" },
        ]),
    );
    let stages = json!([
        { "id": HOSTILE, "type": "Start", "name": HOSTILE, "next": ["b"], "position": { "x": HOSTILE, "y": null } },
        { "id": "b", "type": HOSTILE, "name": "b", "next": [HOSTILE, "Label"], "position": null, "pluginId": "64e5b8f1a2c3d4e5f6012345" },
        { "id": "Label", "type": "Label", "name": HOSTILE, "next": [] },
    ]);
    well(&world, "PUT", &format!("/api/v1/projects/{id}/stages"), &stages);
    assert!(page(&world, "/ui/projects").contains(ESCAPED));
    for tab in ["", "/assets", "/tasks", "/stages", "/schema", "/batches", "/exchange", "/plugins"] {
        assert!(page(&world, &format!("/ui/projects/{id}{tab}")).contains(ESCAPED), "{tab}");
    }
    let all = world.get(&format!("/api/v1/projects/{id}/assets?tasks=true"));
    let kinds: Vec<&str> = all["assets"].as_array().unwrap().iter().map(|asset| text(asset, "media")).collect();
    assert_eq!(kinds, ["image", "text", "markdown", "text", "pdf"]);
    for asset in all["assets"].as_array().unwrap() {
        let shown = page(&world, &format!("/ui/projects/{id}/assets/{}", text(asset, "id")));
        assert!(!shown.contains("href=\"javascript:") && !shown.contains("src=\"javascript:"), "{shown}");
    }
    let grid = page(&world, &format!("/ui/projects/{id}/assets"));
    let (_, head, _) = world.http(&format!("GET /ui/projects/{id}/assets HTTP/1.0\nHost: localhost\nAccept: text/html\n\n"));
    assert!(head.contains("img-src 'self' data: blob: https:"), "pictures may stand elsewhere: {head}");
    assert!(grid.contains("viewBox=\"0 0 640 480\""));
    assert!(grid.contains("<rect x=\"60\" y=\"60\" width=\"40\" height=\"30\"/>"), "drawn from right to left: {grid}");
    assert!(grid.contains("points=\"0,1 2,3 4,5 \"") && grid.contains("stroke=\"#123456\""));
    assert!(!grid.contains("evil.example"), "a colour that is none is not drawn with");
    for (path, status) in [
        (format!("/ui/projects/{id}/assets/64e5b8f1a2c3d4e5f6012345"), 404),
        (format!("/ui/projects/{id}/assets/nonsense"), 404),
        ("/ui/projects/64e5b8f1a2c3d4e5f6012345".to_owned(), 404),
        (format!("/ui/projects/{id}/assets?stage=nowhere"), 400),
        (format!("/ui/projects/{id}/assets?skip=nonsense"), 400),
        (format!("/ui/projects/{id}/tasks?skip=-1"), 400),
    ] {
        let (got, _, body) = world.http(&format!("GET {path} HTTP/1.0\nHost: localhost\nAccept: text/html\n\n"));
        assert!(got == status && body.contains("class=\"failure\""), "{path}: {got}");
    }
}

#[test]
fn assets_are_paged_by_place_and_narrowed_by_one_thing() {
    let world = World::new();
    let id = project(&world, "paged");
    let items: Vec<Json> =
        (0..130).map(|n| json!({ "data": format!("text {n}"), "externalId": format!("Row-{n:03}") })).collect();
    import(&world, &id, &json!(items));
    let path = |query: &str| format!("/api/v1/projects/{id}/assets?{query}");
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let list = world.get(&path(&format!("limit=50&after={after}")));
        assert_eq!(list["total"], 130);
        seen.extend(names(&list).into_iter().map(str::to_owned));
        match list["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(seen, (0..130).map(|n| format!("Row-{n:03}")).collect::<Vec<_>>());
    assert_eq!(names(&world.get(&path("skip=128"))), ["Row-128", "Row-129"]);
    let named = world.get(&path("name=row-12&limit=3&skip=8"));
    assert_eq!((names(&named), &named["total"]), (vec!["Row-128", "Row-129"], &json!(10)));
    assert_eq!(world.get(&path("name=%25"))["total"], 0, "a sign of the database is a letter like others");
    let all = world.get(&path("limit=2"));
    let ids: Vec<&str> = all["assets"].as_array().unwrap().iter().map(|asset| text(asset, "id")).collect();
    let batch = well(&world, "POST", &format!("/api/v1/projects/{id}/batches"), &json!({ "name": "first" }));
    let assign = format!("/api/v1/projects/{id}/batches/first/assets");
    assert_eq!(well(&world, "POST", &assign, &json!({ "assets": ids }))["assigned"], 2);
    for word in ["first", text(&batch, "id")] {
        let list = world.get(&path(&format!("batch={word}&skip=1")));
        assert_eq!((names(&list), &list["total"]), (vec!["Row-001"], &json!(2)));
    }
    let of_stage = world.get(&path("stage=Label&limit=2&tasks=true"));
    assert_eq!((&of_stage["total"], &of_stage["assets"][0]["tasks"][0]["stage"]), (&json!(130), &json!("Label")));
    let further = world.get(&path(&format!("stage=Label&limit=1&after={}", of_stage["next"])));
    assert_eq!(names(&further), ["Row-002"]);
    for (query, code) in [
        ("stage=Label&name=x", "query"),
        ("after=1&skip=1", "query"),
        ("after=1&name=x", "query"),
        ("stage=nowhere", "stage-not-found"),
        ("batch=nowhere", "batch-not-found"),
        ("after=x", "query"),
    ] {
        let (status, body) = ask(&world, "GET", &path(query), &json!({}));
        assert!(status == 400 && body["error"]["code"] == code, "{query}: {body}");
    }
    for body in [json!({ "assets": ["x"] }), json!({ "assets": vec![ids[0]; 1001] }), json!({})] {
        let status = ask(&world, "POST", &assign, &body).0;
        assert!((400..500).contains(&status), "{status}");
    }

    let first = world.get(&format!("/api/v1/projects/{id}/assets/{}", ids[0]));
    assert_eq!(
        (&first["previous"], text(&first, "next"), &first["tasks"][0]["history"][0]["stage"]),
        (&Json::Null, ids[1], &json!("Start"))
    );
    let grid = page(&world, &format!("/ui/projects/{id}/assets?skip=60"));
    assert!(grid.contains("data-total=\"130\"") && grid.contains("skip=96") && grid.matches("class=\"asset\"").count() == 36);
    well(&world, "DELETE", &format!("/api/v1/projects/{id}/assets/{}", ids[0]), &json!({}));
    assert_eq!(world.get(&path("limit=1"))["total"], 129);

    let listed = world.run(&["project", "assets", &id, "--name", "row-129", "--json"]).well().json();
    let asset = text(&listed["assets"][0], "id").to_owned();
    world.run(&["project", "batches", &id, "--assign", "first", &asset]).well();
    let shown = world.run(&["project", "asset", &id, &asset]).well().stdout;
    assert!(shown.contains("Row-129") && shown.contains("Start"), "{shown}");
    world.run(&["project", "asset", &id, &asset, "--delete"]).well();
    world.run(&["project", "asset", &id, &asset]).failed(1, &["no asset"]);
    let found = world.run(&["project", "ls", "--name", "PAGED"]).well().stdout;
    assert!(found.contains("128"), "{found}");
}

#[test]
fn a_project_is_deleted_by_its_name() {
    let world = World::new();
    let id = project(&world, "precious & <dear>");
    let (status, body) = ask(&world, "DELETE", &format!("/api/v1/projects/{id}?name=other"), &json!({}));
    assert_eq!((status, &body["error"]["code"]), (400, &json!("confirm-name")));
    well(&world, "DELETE", &format!("/api/v1/projects/{id}?name=precious%20%26%20%3Cdear%3E"), &json!({}));
    assert_eq!(world.get("/api/v1/projects")["total"], 0);
}

#[test]
fn files_of_other_forms_are_read_into_items() {
    let world = World::new();
    let id = project(&world, "read");
    let path = format!("/api/v1/projects/{id}/read");
    import(
        &world,
        &id,
        &json!([{ "data": "https://example.org/a.jpg", "externalId": "a.jpg", "metadata": { "width": 200, "height": 100 } }]),
    );
    let coco = json!({
        "images": [{ "id": 1, "file_name": "a.jpg", "width": 200, "height": 100 }],
        "categories": [{ "id": 1, "name": "Car" }, { "id": 2, "name": "Tree" }],
        "annotations": [{ "id": 1, "image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4] }],
    });
    let read = well(&world, "POST", &path, &json!({ "text": coco.to_string() }));
    assert_eq!((&read["format"], &read["added"]), (&json!("coco"), &json!(["Tree"])));
    assert!(read["items"][0].get("data").is_none(), "the file names a picture, it does not have it");
    well(&world, "PUT", &format!("/api/v1/projects/{id}/schema"), &read["schema"]);
    let labels = well(&world, "POST", &format!("/api/v1/projects/{id}/labels"), &json!({ "items": read["items"] }));
    assert_eq!(labels["stored"], 1, "{labels}");

    let yolo = json!({ "text": "Car\nTree\n", "pictures": [{ "file": "a.txt", "text": "0 0.5 0.5 0.1 0.2\n" }] });
    let read = well(&world, "POST", &path, &yolo);
    assert_eq!((&read["format"], &read["items"][0]["externalId"]), (&json!("yolo"), &json!("a.jpg")));
    assert_eq!(read["items"][0]["objects"][0]["bounding-box"], json!({ "x": 90.0, "y": 40.0, "width": 20.0, "height": 20.0 }));
    let ours = well(
        &world,
        "POST",
        &path,
        &json!({ "text": "{\"data\": \"x\", \"externalId\": \"y\"}\n{\"asset\": \"z\", \"task\": {}}" }),
    );
    assert_eq!(ours["items"], json!([{ "data": "x", "externalId": "y" }, { "data": "z" }]));
    for (body, code) in [
        (json!({ "text": "hello" }), "format-unknown"),
        (json!({ "text": "{", "format": "coco" }), "coco"),
        (json!({ "text": "[1", "format": "json" }), "records"),
        (json!({ "text": "Car", "pictures": [{ "file": "b.txt", "text": "" }] }), "picture-size"),
        (json!({ "text": "Car", "pictures": [{ "file": "a.txt", "text": "7 0 0 0 0" }] }), "yolo"),
        (json!({ "text": "x", "format": "nonsense" }), "format-unknown"),
        (json!({}), "body"),
    ] {
        let (status, answer) = ask(&world, "POST", &path, &body);
        assert!(status == 400 && answer["error"]["code"] == code, "{body}: {answer}");
    }
}
