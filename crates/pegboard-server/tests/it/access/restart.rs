//! The real binary beyond loopback: the first admin, the command line, restarts.

use serde_json::{Value as Json, json};

use crate::support::{World, command, end, until};

const PASSWORD: &str = "a sentence of my own";

/// A server at all addresses of this machine, and its URL on loopback.
fn open_world() -> World {
    let mut world = World::unstarted();
    world.start_at("0.0.0.0:0", &[]);
    world.url = world.url.replace("0.0.0.0", "127.0.0.1");
    world
}

/// A raw exchange of JSON.
fn ask(world: &World, method: &str, path: &str, headers: &str, body: &Json) -> (u16, String, Json) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.0\nHost: localhost\nContent-Type: application/json\nContent-Length: {}\n{headers}\n{body}",
        body.len()
    );
    let (status, head, text) = world.http(&request);
    (status, head, serde_json::from_str(&text).unwrap_or(Json::String(text)))
}

/// The link that the server printed.
fn first_link(world: &World) -> String {
    until("the first admin's link", || {
        let log = world.log();
        let link = log.split_whitespace().find(|word| word.contains("/ui/link/"))?;
        Some(link.rsplit('/').next()?.to_owned())
    })
}

#[test]
fn the_first_admin_comes_in_by_a_link_and_stays_over_a_restart() {
    let mut world = open_world();
    let token = first_link(&world);
    let (status, _, body) = ask(&world, "GET", "/api/v1/runs", "", &Json::Null);
    assert_eq!((status, body["error"]["code"].as_str()), (401, Some("sign-in-needed")));
    for open in ["/-/health", "/-/ready"] {
        assert_eq!(ask(&world, "GET", open, "", &Json::Null).0, 200, "{open}");
    }
    assert_eq!(ask(&world, "GET", "/-/metrics", "", &Json::Null).0, 401);
    let password = json!({ "password": PASSWORD });
    let (status, head, body) = ask(&world, "POST", &format!("/api/v1/links/{token}"), "", &password);
    assert_eq!((status, body["user"]["email"].as_str()), (200, Some("admin@pegboard.local")), "{body}");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap().split(';').next().unwrap().to_owned();
    let cookie = format!("Cookie: {cookie}\n");
    assert_eq!(ask(&world, "GET", "/api/v1/users", &cookie, &Json::Null).0, 200);
    let data = world.data();
    let make = &["key", "create", "--role", "viewer", "--expires", "1h"];
    let key = end(world.command(make).env("PEGBOARD__SERVER__DATA", &data)).well().stdout.trim().to_owned();
    world.kill();
    world.start_at("0.0.0.0:0", &[]);
    world.url = world.url.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(ask(&world, "GET", "/api/v1/users", &cookie, &Json::Null).0, 200, "the session goes on");
    assert_eq!(ask(&world, "POST", &format!("/api/v1/links/{token}"), "", &password).0, 404);
    assert!(!world.log().contains("/ui/link/"), "{}", world.log());
    // The command line with a key: no more than the key.
    let with_key = |arguments: &[&str]| end(world.command(arguments).env("PEGBOARD_KEY", &key));
    with_key(&["runs"]).well();
    with_key(&["project", "create", "p"]).failed(1, &["this takes the role member", "admins"]);
    with_key(&["user", "ls"]).failed(1, &["this takes the role admin"]);
    world.run(&["runs", "--key", "wrong"]).failed(1, &["the key is unknown", "pegboard key create"]);
    let file = world.file("key", &format!("{key}\n"));
    world.run(&["runs", "--key-file", &file]).well();
}

#[test]
fn on_its_own_machine_the_command_line_needs_no_key() {
    let mut world = open_world();
    // The data directory says which: without it nobody is known.
    let elsewhere = tempfile::tempdir().unwrap();
    let data = world.data();
    let data = data.to_str().unwrap();
    let stranger = end(command(&["runs", "--url", &world.url]).current_dir(elsewhere.path()));
    stranger.failed(1, &["answers only those whom it knows", "PEGBOARD_KEY", "--key"]);
    let owner = |arguments: &[&str]| {
        end(command(arguments).current_dir(elsewhere.path()).env("PEGBOARD__SERVER__DATA", data).env("PEGBOARD_URL", &world.url))
    };
    owner(&["runs"]).well();
    let link = owner(&["user", "add", "ann@example.org", "--role", "viewer"]).well().stdout;
    assert!(link.contains("/ui/link/"), "{link}");
    owner(&["user", "role", "ann@example.org", "admin"]).well();
    let users = owner(&["user", "ls", "--json"]).well().json();
    assert_eq!(users["users"][1]["role"], "admin");
    owner(&["user", "rm", "admin@pegboard.local"]).well();
    owner(&["user", "rm", "ann@example.org"]).failed(1, &["last admin"]);
    assert!(owner(&["user", "link", "ann@example.org"]).well().stdout.contains("/ui/link/"));
    // An organization of its own: its admin is told a link, and is nobody of this one.
    let link = owner(&["organization", "add", "Road survey", "--admin", "bob@example.net"]).well();
    assert!(link.stdout.contains("/ui/link/") && link.stderr.contains("bob@example.net"), "{link:?}");
    owner(&["organization", "add", "Other", "--admin", "bob@example.net"]).failed(1, &["bob@example.net"]);
    let listed = owner(&["organization", "ls", "--json"]).well().json();
    let names: Vec<(&Json, &Json)> =
        listed["organizations"].as_array().unwrap().iter().map(|one| (&one["name"], &one["first"])).collect();
    assert_eq!((names.len(), names[0].1, names[1]), (2, &json!(true), (&json!("Road survey"), &json!(false))));
    assert!(owner(&["organization", "ls"]).well().stdout.contains("the server's own"));
    assert!(!owner(&["user", "ls"]).well().stdout.contains("bob@example.net"));
    let record = until("the record", || {
        let record = owner(&["audit", "--json"]).well().stdout;
        record.contains("/link").then_some(record)
    });
    for line in ["POST /api/v1/users", "PATCH /api/v1/users/{email}", "DELETE /api/v1/users/{email}"] {
        assert!(record.contains(line), "{line} in {record}");
    }
    let lines: Vec<Json> = record.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["how"] == "local"), "{record}");
    // What this machine's key opened is over with the server.
    let key = std::fs::read_to_string(world.data().join("local.key")).unwrap();
    world.kill();
    world.start_at("0.0.0.0:0", &[]);
    assert_ne!(std::fs::read_to_string(world.data().join("local.key")).unwrap(), key);
}
