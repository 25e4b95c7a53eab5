//! Bad input: directories, ports, documents, requests. Each is answered with one clear line and a hint.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{World, pegboard, root};

#[test]
fn a_locked_data_directory() {
    let world = World::new();
    let data = world.data();
    let ended = pegboard(world.folder.path(), &["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    ended.failed(1, &["locked by another server", "hint:", "--data"]);
    assert_eq!(world.get("/-/ready")["status"], "ready", "the first server is not disturbed");
}

#[test]
fn an_unusable_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("data");
    let ended = pegboard(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--data", below.to_str().unwrap()]);
    let ended = ended.failed(1, &["cannot write to", "hint:"]);
    assert_eq!(ended.stderr.lines().filter(|line| line.starts_with("error:")).count(), 1, "{}", ended.stderr);
    let sealed = folder.path().join("sealed");
    fs::create_dir(&sealed).unwrap();
    fs::set_permissions(&sealed, fs::Permissions::from_mode(0o555)).unwrap();
    // Permissions do not bind root: then there is nothing to refuse, and `/proc` is what cannot be written.
    let bound = fs::write(sealed.join("probe"), "").is_err();
    let directory = if bound { sealed.to_str().unwrap().to_owned() } else { "/proc/pegboard".to_owned() };
    pegboard(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--data", &directory]).failed(1, &["cannot write to", "hint:"]);
}

#[test]
fn a_port_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in ["serve", "demo"] {
        let ended = pegboard(folder.path(), &[command, "--listen", &address, "--data", "data"]);
        ended.failed(1, &[&address, "somebody else", "hint:", "--listen"]);
    }
}

#[test]
fn a_server_of_another_kind() {
    let folder = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = other.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello").unwrap();
    });
    pegboard(folder.path(), &["plugins", "--url", &url]).failed(1, &["does not speak", "hint:"]);
    answering.join().unwrap();
}

#[test]
fn documents_that_are_wrong_name_their_place() {
    let world = World::new();
    let check = |text: &str, words: &[&str]| {
        let file = world.file("bad.yaml", text);
        let mut all = vec!["bad.yaml", "error:"];
        all.extend(words);
        world.run(&["apply", &file]).failed(1, &all);
    };
    check("kind: workflow\nmetadata: {name: x}\nspec:\n  stages: [\n", &["line"]);
    check("kind: workflow\nmetadata: {name: x}\nspec:\n  stages:\n    - {name: a, targett: b.c}\n", &["target", "line 5"]);
    let typo = world.file(
        "typo.yaml",
        "kind: workflow\nmetadata: {name: x}\nspec:\n  stages:\n    - {name: a, target: b.c, depend_on: []}\n",
    );
    let warned = world.run(&["apply", &typo]).well().stderr;
    assert!(["warning:", "depend_on", "depends_on", "line 5"].iter().all(|word| warned.contains(word)), "{warned}");
    check("kind: workflow\nmetadata: {name: 'not a name'}\nspec:\n  stages:\n    - {name: a, target: b.c}\n", &["not a name"]);
    world.run(&["apply", "absent.yaml"]).failed(2, &["absent.yaml"]);
    let cycle = "kind: workflow\nmetadata: {name: round}\nspec:\n  stages:\n    - {name: a, target: m.f, depends_on: [b]}\n    - {name: b, target: m.f, depends_on: [a]}\n";
    let file = world.file("cycle.yaml", cycle);
    assert!(world.run(&["apply", &file]).well().stderr.contains("warning:"));
    world.run(&["run", "round", "--wait"]).failed(1, &["error:"]);
    world.run(&["run", "absent", "--wait"]).failed(1, &["no workflow `absent`", "pegboard apply"]);
}

#[test]
fn a_plugin_inherits_no_setting_of_the_server() {
    let mut world = World::new();
    world.kill();
    world.start_with(&[("PEGBOARD__STORE__S3_SECRET_ACCESS_KEY", "a secret"), ("PEGBOARD_ANYTHING", "else")]);
    world.install_good();
    world.workflow("environment", "    - {name: look, target: pegboard_fixture_good.variables}\n");
    let seen = world.run(&["run", "environment", "--input", "prefix=PEGBOARD", "--wait"]).well().json();
    assert_eq!(seen, serde_json::json!({ "PEGBOARD_URL": world.url }));
}

#[test]
fn plugins_that_cannot_be_installed() {
    let world = World::new();
    world.run(&["install", "./absent"]).failed(2, &["./absent"]);
    world.run(&["install", "not a requirement!!"]).failed(1, &["hint:"]);
    world.run(&["uninstall", "absent"]).failed(1, &["no plugin `absent`"]);
    let broken = root().join("fixtures/plugins/broken_import");
    let ended = world.run(&["install", broken.to_str().unwrap()]).failed(1, &["Traceback", "error:"]);
    assert!(ended.stdout.contains("broken"), "{}", ended.stdout);
    let listed = world.get("/api/v1/plugins");
    assert_eq!(listed["plugins"][0]["state"], "broken");
    let name = listed["plugins"][0]["name"].as_str().unwrap();
    world.run(&["uninstall", name]).well();
    assert_eq!(world.get("/api/v1/plugins")["plugins"].as_array().unwrap().len(), 0);
}

#[test]
fn two_plugins_with_the_same_module_are_told_apart() {
    let world = World::new();
    let package = |name: &str| {
        let folder = world.folder.path().join(name);
        fs::create_dir_all(folder.join("same_module")).unwrap();
        fs::write(folder.join("same_module/__init__.py"), format!("def who():\n    return '{name}'\n")).unwrap();
        let project = format!(
            "[project]\nname = \"{name}\"\nversion = \"1\"\n[project.entry-points.\"flowdapt.plugins\"]\nx = \"same_module\"\n\
             [build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n\
             [tool.setuptools]\npackages = [\"same_module\"]\n"
        );
        fs::write(folder.join("pyproject.toml"), project).unwrap();
        format!("./{name}")
    };
    let first = world.run(&["install", &package("zeta")]).well();
    assert!(!first.stderr.contains("warning:"), "{}", first.stderr);
    let words = ["warning:", "`zeta` and `alpha`", "`same_module`", "go to `zeta`"];
    let told = |said: &str| words.iter().for_each(|word| assert!(said.contains(word), "{word} in {said}"));
    told(&world.run(&["install", &package("alpha")]).well().stderr);
    let listed = world.run(&["plugins"]).well().stderr;
    told(&listed);
    assert_eq!(listed.matches("warning:").count(), 1, "{listed}");
    for name in ["alpha", "zeta"] {
        told(&world.run(&["plugin", "show", name]).well().stderr);
    }
    world.run(&["uninstall", "alpha"]).well();
    assert!(!world.run(&["plugins"]).well().stderr.contains("warning:"));
}

#[test]
fn hosts_and_origins_from_elsewhere_are_refused() {
    let world = World::new();
    let (status, _, body) = world.http("GET /api/v1/runs HTTP/1.0\nHost: evil.example\n\n");
    assert_eq!(status, 403, "{body}");
    let (status, _, body) =
        world.http("POST /api/v1/runs HTTP/1.0\nHost: localhost\nOrigin: https://evil.example\nContent-Length: 0\n\n");
    assert_eq!((status, body.contains("forbidden-origin")), (403, true), "{body}");
    let (status, ..) =
        world.http("POST /api/v1/runs HTTP/1.0\nHost: localhost\nContent-Type: text/plain\nContent-Length: 2\n\n{}");
    assert_eq!(status, 415);
    let (status, ..) = world.http("BREW /coffee HTTP/9.9\n\n");
    assert!(status == 400 || status == 505, "{status}");
}

#[test]
fn a_body_that_is_too_large_is_refused_in_words() {
    let world = World::new();
    let document = "kind: workflow\nmetadata: {name: x}\nspec:\n  stages:\n    - {name: a, target: b.c}\n#";
    let file = world.file("large.yaml", &format!("{document}{}", "x".repeat(40 << 20)));
    for _ in 0..3 {
        world.run(&["apply", &file]).failed(1, &["larger than the server takes", "`server.body_limit`"]);
    }
    // Neither what is refused before it is read ends the connection: the next request on it is answered.
    let address = world.url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let body = "x".repeat(24 << 20);
    for (path, host, expected) in
        [("/api/v1/apply", "localhost", "413"), ("/nope", "localhost", "404"), ("/api/v1/runs", "evil.example", "403")]
    {
        use std::io::{Read as _, Write as _};
        let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("the server reads on");
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("the server answers");
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert_eq!(head.split(' ').nth(1), Some(expected), "{path}: {head}");
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
        stream.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
    }
}
