//! Real data in and out by the command line: there and back without a loss.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::ask::Hub;

/// A picture of this size: the header is all that is looked at.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend(b"\x08\x02\x00\x00\x00");
    bytes
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn json_of(path: &Path) -> Json {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn coco_there_and_back() {
    let hub = Hub::new();
    let folder = hub.world.folder.path().join("coco");
    let annotations = json!({
        "images": [{ "id": 1, "file_name": "a.png", "width": 640, "height": 480 }, { "id": 2, "file_name": "deep/b.png", "width": 32, "height": 16 }],
        "categories": [{ "id": 1, "name": "cat", "supercategory": "" }, { "id": 2, "name": "dog", "supercategory": "" }],
        "annotations": [
            { "id": 1, "image_id": 1, "category_id": 1, "bbox": [1.5, 2.0, 3.0, 4.0], "segmentation": [], "area": 12.0, "iscrowd": 0 },
            { "id": 2, "image_id": 1, "category_id": 1, "bbox": [0.0, 0.0, 4.0, 3.0], "segmentation": [[0.0, 0.0, 4.0, 0.0, 4.0, 3.0]], "area": 6.0, "iscrowd": 0 },
            { "id": 3, "image_id": 2, "category_id": 2, "bbox": [0.0, 0.0, 3.0, 3.0],
              "segmentation": [[0.0, 0.0, 1.0, 0.0, 1.0, 1.0], [2.0, 2.0, 3.0, 2.0, 3.0, 3.0]], "area": 1.0, "iscrowd": 0 },
        ],
    });
    let file = write(&folder, "annotations.json", annotations.to_string());
    hub.world.run(&["project", "import", &hub.project, &file]).failed(1, &["a.png", "--images"]);
    write(&folder, "images/a.png", png(640, 480));
    write(&folder, "images/deep/b.png", png(32, 16));
    let imported = hub.world.run(&["project", "import", &hub.project, &file, "--batch", "monday", "--json"]).well().json();
    assert_eq!(imported, json!({ "assets": 2, "answers": 2, "stored": 2, "left_out": 0 }));
    let out = hub.world.folder.path().join("out");
    let (to, images) = (out.to_str().unwrap(), out.join("images"));
    hub.world
        .run(&["project", "export", &hub.project, "--format", "coco", "--output", to, "--images", images.to_str().unwrap()])
        .well();
    assert_eq!(json_of(&out.join("annotations.json")), annotations);
    assert_eq!(fs::read(images.join("deep/b.png")).unwrap(), png(32, 16));
    let tasks = hub.world.run(&["project", "tasks", &hub.project, "--stage", "Label"]).well().stdout;
    assert!(tasks.contains("deep/b.png"), "{tasks}");
    let batches = hub.world.run(&["project", "batches", &hub.project, "--json"]).well().json();
    assert_eq!(batches["batches"][0]["name"], "monday");

    // Labels alone, for the assets that are there already.
    let again = hub.world.run(&["project", "import", &hub.project, &file, "--labels-only", "--json"]).well().json();
    assert_eq!((&again["sent"], &again["stored"]), (&json!(2), &json!(2)));
    let empty = hub.world.run(&["project", "create", "Empty"]).well().stdout.trim().to_owned();
    hub.world.run(&["project", "import", &empty, &file, "--labels-only"]).failed(1, &["no asset with external id `a.png`"]);

    for (name, words) in [("../a.png", "leaves its folder"), ("/etc/passwd", "leaves its folder")] {
        let mut evil = annotations.clone();
        evil["images"][0]["file_name"] = name.into();
        let file = write(&folder, "evil.json", evil.to_string());
        hub.world.run(&["project", "import", &hub.project, &file]).failed(1, &[words]);
    }
    for (text, words) in [("{", "format"), ("{\"images\": []}", "`categories`"), ("null", "cannot tell")] {
        let file = write(&folder, "bad.json", text);
        let ended = hub.world.run(&["project", "import", &hub.project, &file]);
        assert!(ended.code != Some(0) && !ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert!(words == "format" || ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[test]
fn yolo_there_and_back() {
    let hub = Hub::new();
    let folder = hub.world.folder.path().join("yolo");
    write(&folder, "data.yaml", "train: images\nnames:\n  0: cat\n  1: dog\n");
    write(&folder, "images/train/a.png", png(640, 480));
    write(&folder, "images/b.png", png(100, 100));
    write(
        &folder,
        "labels/train/a.txt",
        "1 0.50000000 0.50000000 0.25000000 0.50000000\n0 0.00000000 0.00000000 1.00000000 0.00000000 1.00000000 1.00000000\n",
    );
    let imported = hub.world.run(&["project", "import", &hub.project, folder.to_str().unwrap(), "--json"]).well().json();
    assert_eq!((&imported["assets"], &imported["stored"]), (&json!(2), &json!(1)));
    let out = hub.world.folder.path().join("out");
    hub.world.run(&["project", "export", &hub.project, "--format", "yolo", "--output", out.to_str().unwrap()]).well();
    for name in ["labels/train/a.txt", "labels/b.txt"] {
        let expected = fs::read_to_string(folder.join(name)).unwrap_or_default();
        let mut expected: Vec<&str> = expected.lines().collect();
        let found = fs::read_to_string(out.join(name)).unwrap();
        let mut found: Vec<&str> = found.lines().collect();
        // Numbers of classes follow the project's schema, which has the ones that are used first.
        let classes = fs::read_to_string(out.join("data.yaml")).unwrap();
        if classes.contains("0: \"dog\"") {
            expected = expected.into_iter().map(|line| &line[1..]).collect();
            found = found.into_iter().map(|line| &line[1..]).collect();
        }
        assert_eq!(found, expected, "{name}");
    }
    hub.world.run(&["project", "export", &hub.project, "--format", "yolo"]).failed(2, &["--output DIR"]);
    write(&folder, "labels/b.txt", "7 0.1 0.1 0.1 0.1\n");
    hub.world.run(&["project", "import", &hub.project, folder.to_str().unwrap()]).failed(1, &["line 1", "b.png", "no class 7"]);
}

#[test]
fn our_own_there_and_back() {
    let hub = Hub::new();
    let folder = hub.world.folder.path();
    hub.classes();
    let file = write(folder, "pictures/a.png", png(5, 7));
    hub.world.run(&["project", "upload", &hub.project, &file, "--batch", "monday"]).well();
    let labels = json!({ "project": hub.project, "jsonContent": [{
        "externalId": "a.png", "objects": [{ "title": "Car", "objectId": "o1", "bounding-box": { "x": 1, "y": 2, "width": 3, "height": 4 } }],
        "classifications": [{ "title": "Weather", "answer": "Sunny" }],
    }] });
    hub.post("/v2/import/labels", &labels).data();
    let first: Json = hub.world.run(&["project", "export", &hub.project]).well().json();
    assert_eq!((&first[0]["externalId"], &first[0]["metadata"]), (&json!("a.png"), &json!({ "width": 5, "height": 7 })));
    for format in ["json", "ndjson"] {
        let out = folder.join(format!("out.{format}"));
        let out = out.to_str().unwrap();
        hub.world.run(&["project", "export", &hub.project, "--format", format, "--output", out]).well();
        let copy = hub.world.run(&["project", "create", "Copy"]).well().stdout.trim().to_owned();
        let schema = write(folder, "schema.json", hub.world.run(&["project", "schema", &hub.project]).well().stdout);
        hub.world.run(&["project", "schema", &copy, &schema]).well();
        let imported = hub.world.run(&["project", "import", &copy, out, "--json"]).well().json();
        assert_eq!((&imported["assets"], &imported["stored"]), (&json!(1), &json!(1)));
        let second: Json = hub.world.run(&["project", "export", &copy]).well().json();
        for key in ["externalId", "metadata", "batches"] {
            assert_eq!(second[0][key], first[0][key], "{key}");
        }
        for key in ["tools", "classifications", "relations"] {
            assert_eq!(second[0]["task"][key], first[0]["task"][key], "{key}");
        }
        // The file was fetched and put again: it is the copy's own.
        let url = second[0]["asset"].as_str().unwrap();
        assert!(url.contains(&copy), "{url}");
        assert_eq!(hub.raw("GET", hub.path(url), &[], b"").body, png(5, 7));
    }
    let issues = hub.world.get(&format!("/api/v1/projects/{}", hub.project));
    assert_eq!(issues["assets"], 1);
    hub.world.run(&["project", "show", "nonsense"]).failed(1, &["there is no project `nonsense`", "pegboard project ls"]);
    hub.world.run(&["project", "upload", &hub.project, "absent.png"]).failed(1, &["absent.png"]);
}

#[test]
fn a_local_storage_gives_its_files_and_no_others() {
    let hub = Hub::new();
    let folder = hub.world.folder.path().join("pictures");
    write(&folder, "deep/a.png", png(5, 7));
    let secret = write(hub.world.folder.path(), "secret.txt", "secret");
    std::os::unix::fs::symlink(&secret, folder.join("link.txt")).unwrap();
    hub.world.run(&["storage", "create", "relative", "--folder", "pictures"]).failed(1, &["absolute"]);
    let storage = hub.world.run(&["storage", "create", "pictures", "--folder", folder.to_str().unwrap()]).well().stdout;
    let storage = storage.trim();
    let import = |data: &str| {
        let asset = json!({ "data": data, "storage": storage });
        hub.post(&format!("/v2/project/{}/cloud", hub.project), &json!({ "assets": [asset] }))
    };
    for wrong in ["../secret.txt", "deep/../../secret.txt", "link.txt", "absent.png", "deep", &secret] {
        import(wrong).refused(400, "storage-file");
    }
    import("deep/a.png").data();
    let asset = hub.get(&format!("/v2/project/{}/assets", hub.project)).data()["assets"][0].clone();
    assert_eq!((&asset["externalId"], &asset["metadata"]["height"]), (&json!("a.png"), &json!(7)));
    assert_eq!(hub.raw("GET", hub.path(asset["data"].as_str().unwrap()), &[], b"").body, png(5, 7));

    // Secrets are read from files, kept encrypted, and not told by our own API.
    let file = write(hub.world.folder.path(), "key.txt", "hunter2-private\n");
    hub.world
        .run(&["storage", "create", "bucket", "--provider", "AWS", "--public-key", "AKIA", "--private-key-file", &file])
        .well();
    let listed = hub.world.run(&["storage", "ls", "--json"]).well();
    assert!(!listed.stdout.contains("hunter2"), "{}", listed.stdout);
    let told = hub.get("/v2/storages").data();
    assert_eq!(told["storages"][1]["privateKey"], "hunter2-private");
    for name in ["pegboard.db", "pegboard.db-wal"] {
        let bytes = fs::read(hub.world.data().join(name)).unwrap_or_default();
        assert!(!bytes.windows(7).any(|seven| seven == b"hunter2"), "{name} holds the secret");
    }
    hub.world.run(&["storage", "rm", storage]).well();
}
