//! Requests as a client of the dialect sends them, over a plain socket.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value as Json, json};

use crate::support::World;

/// A server with a key and a project.
pub(super) struct Hub {
    pub(super) world: World,
    pub(super) key: String,
    pub(super) project: String,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(super) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The data of a success.
    #[track_caller]
    pub(super) fn data(&self) -> Json {
        let answer = self.json();
        assert_eq!((self.status, answer["status"].as_str()), (200, Some("success")), "{answer}");
        answer["data"].clone()
    }

    /// A refusal with this status and code, in the form that every release reads.
    #[track_caller]
    pub(super) fn refused(&self, status: u16, code: &str) -> Json {
        let answer = self.json();
        assert_eq!((self.status, answer["code"].as_str()), (status, Some(code)), "{answer}");
        assert_eq!(answer["status"], if status < 500 { "fail" } else { "error" });
        assert!(answer["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
        answer
    }
}

impl Hub {
    pub(super) fn new() -> Self {
        let world = World::new();
        let key = world.run(&["key", "create", "--name", "test"]).well().stdout.trim().to_owned();
        let project = world.run(&["project", "create", "Cars"]).well().stdout.trim().to_owned();
        Self { world, key, project }
    }

    /// With the hub's key.
    #[track_caller]
    pub(super) fn ask(&self, method: &str, path: &str, body: &Json) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, path, &[("apikey", &self.key), ("content-type", "application/json")], body.as_bytes())
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &Json::Null)
    }

    #[track_caller]
    pub(super) fn post(&self, path: &str, body: &Json) -> Answer {
        self.ask("POST", path, body)
    }

    /// With these headers and nothing else but what HTTP needs.
    #[track_caller]
    pub(super) fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let authority = self.world.url.strip_prefix("http://").expect("a URL");
        let mut request = format!("{method} {path} HTTP/1.0\r\nHost: {authority}\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut stream = TcpStream::connect(authority).expect("it listens");
        // A refusal may come before all has been sent.
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.write_all(body));
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("answered");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head, body: bytes[end + 4..].to_vec() }
    }

    /// A URL of this server without its authority.
    #[track_caller]
    pub(super) fn path<'a>(&self, url: &'a str) -> &'a str {
        url.strip_prefix(self.world.url.as_str()).unwrap_or_else(|| panic!("{url} is not on {}", self.world.url))
    }

    /// Has the project exported and fetches it; how many records and bytes of text it has.
    #[track_caller]
    pub(super) fn post_export(&self) -> Json {
        let path = format!("/v2/export?project={}&format=ndjson", self.project);
        let url = self.get(&path).data()["exportPath"].as_str().expect("a link").to_owned();
        let zip = self.raw("GET", self.path(&url), &[], b"").body;
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).expect("a zip");
        assert_eq!(archive.len(), 1, "one entry, and no folder before it");
        let mut text = String::new();
        archive.by_index(0).expect("an entry").read_to_string(&mut text).expect("UTF-8");
        json!({ "records": text.lines().count(), "text": text.len() })
    }

    /// Gives the project its classes.
    pub(super) fn classes(&self) {
        let schema = json!({
            "tools": [{ "tool": "bounding-box", "title": "Car", "schemaId": "s-car" }, { "tool": "polygon", "title": "Road", "schemaId": "s-road" }],
            "classifications": [{ "tool": "radio", "title": "Weather", "schemaId": "c-weather", "options": ["Sunny"] }],
        });
        self.post(&format!("/v2/project/{}", self.project), &json!({ "categorySchema": schema })).data();
    }

    /// Makes assets of these names and gives their tasks' ids.
    pub(super) fn assets(&self, names: &[&str]) -> Vec<String> {
        let assets: Vec<Json> =
            names.iter().map(|name| json!({ "data": format!("https://example.org/{name}"), "externalId": name })).collect();
        self.post(&format!("/v2/project/{}/cloud", self.project), &json!({ "assets": assets })).data();
        let tasks = self.get(&format!("/v2/project/{}/tasks?limit=1000", self.project)).data();
        let id = |name: &str| {
            let found = tasks["tasks"].as_array().expect("a list").iter().find(|task| task["externalId"] == name);
            found.expect("made")["_id"].as_str().expect("an id").to_owned()
        };
        names.iter().map(|name| id(name)).collect()
    }
}
