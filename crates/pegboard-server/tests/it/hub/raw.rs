//! What no client sends, over a WebSocket and over polling of our own making.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use super::clients::Plugin;
use super::project;
use crate::support::{World, until};

struct Socket(WebSocket<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connected, without a name yet.
    fn open(world: &World) -> Self {
        let url = world.url.replace("http://", "ws://") + "/socket.io/?transport=websocket&EIO=4&t=1.5";
        let (socket, _) = tungstenite::connect(url).unwrap();
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        }
        let mut socket = Self(socket);
        let open = socket.text();
        let opened: Json = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        assert_eq!((&opened["upgrades"], &opened["pingInterval"]), (&json!([]), &json!(25_000)));
        socket.send("40/plugin,{}");
        assert!(socket.text().starts_with("40/plugin,{\"sid\":\""));
        socket
    }

    fn send(&mut self, text: &str) {
        self.0.send(Message::text(text.to_owned())).unwrap();
    }

    fn text(&mut self) -> String {
        loop {
            match self.0.read().unwrap() {
                Message::Text(text) => return text.to_string(),
                Message::Close(_) => panic!("closed"),
                _ => {}
            }
        }
    }

    fn beat(&mut self, plugin: &Plugin, secret: &str) {
        self.send(&format!("42/plugin,[\"heartbeat\",{{\"id\":\"{}\",\"secret\":\"{secret}\"}}]", plugin.id));
    }

    /// The next run: its acknowledgement id and its payload.
    fn run(&mut self) -> (String, Json) {
        let frame = self.text();
        let rest = frame.strip_prefix("42/plugin,").unwrap_or_else(|| panic!("{frame}"));
        let (ack, body) = rest.split_at(rest.find('[').unwrap());
        let body: Json = serde_json::from_str(body).unwrap();
        assert_eq!(body[0], "plugin");
        (ack.to_owned(), body[1].clone())
    }

    /// Whether the server ends the connection.
    fn is_closed(&mut self) -> bool {
        loop {
            match self.0.read() {
                Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed) => {
                    return true;
                }
                Err(tungstenite::Error::Protocol(_)) => return true,
                Err(tungstenite::Error::Io(error)) => {
                    return !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                }
                Err(error) => panic!("{error}"),
                Ok(_) => {}
            }
        }
    }
}

fn ask(world: &World, plugin: &Plugin, project: &str) -> String {
    let session = world.run(&["hub", "run", &plugin.id, "--project", project, "--json"]).well().json();
    session["id"].as_str().unwrap().to_owned()
}

fn session(world: &World, id: &str) -> Json {
    world.get(&format!("/api/v1/hub/sessions/{id}"))
}

#[test]
fn identity_results_and_order() {
    let world = World::new();
    let project = project(&world);
    let plugin = Plugin::create(&world, "batch-model", &[]);
    let other = Plugin::create(&world, "batch-model", &[]);
    let mut socket = Socket::open(&world);
    socket.send("42/plugin,[\"heartbeat\",\"nonsense\"]");
    socket.beat(&plugin, "wrong");
    socket.beat(&plugin, &plugin.secret);
    let begun = Instant::now();
    plugin.wait_for_light(&world, true);
    assert!(begun.elapsed() < Duration::from_secs(1));
    let first = ask(&world, &plugin, &project);
    let (_, payload) = socket.run();
    assert_eq!(payload["session"], json!(first));
    // Another plugin cannot answer for it, nor can who has not said a right secret.
    let answer =
        |result: &str, session: &str| format!("42/plugin,[\"response\",{{\"response\":\"{result}\",\"session\":\"{session}\"}}]");
    let mut thief = Socket::open(&world);
    thief.send(&answer("stolen", &first));
    thief.beat(&other, &other.secret);
    thief.send(&answer("stolen", &first));
    thief.send(&format!("42/plugin,[\"log\",{{\"level\":\"INFO\",\"msg\":\"forged\",\"session\":\"{first}\"}}]"));
    other.wait_for_light(&world, true);
    // Unknown sessions and none at all are ignored; two answers: the first counts. Lines keep their order.
    socket.send(&answer("x", ""));
    socket.send(&answer("x", "64e5f00d0000000000000001"));
    socket.send("42/plugin,[\"unknown\",1]");
    for number in 0..500 {
        socket.send(&format!(
            "42/plugin,[\"log\",{{\"level\":\"INFO\",\"msg\":\"{number}\",\"session\":\"{first}\",\"n\":{number}}}]"
        ));
    }
    socket.send(&answer("mine", &first));
    socket.send(&answer("again", &first));
    let ended = until("its end", || Some(session(&world, &first)).filter(|session| session["state"] == "finished"));
    assert_eq!(ended["result"], "mine");
    let page = world.get(&format!("/api/v1/hub/sessions/{first}/log"));
    let lines = page["lines"].as_array().unwrap();
    assert!(
        lines[..500]
            .iter()
            .enumerate()
            .all(|(number, line)| line["text"].as_str().and_then(|text| text.parse().ok()) == Some(number)),
        "{lines:?}"
    );
    assert_eq!(lines[7]["more"], json!({ "n": 7 }));
    // A result in the acknowledgement counts as one.
    let second = ask(&world, &plugin, &project);
    let (ack, _) = socket.run();
    socket.send(&format!("43/plugin,{ack}[{{\"response\":{{\"a\":1}},\"session\":\"{second}\"}}]"));
    until("its end", || Some(session(&world, &second)).filter(|session| session["result"] == json!({ "a": 1 })));
    // A message of the client that wants an acknowledgement gets one.
    socket.send("42/plugin,9[\"heartbeat\",{}]");
    assert_eq!(socket.text(), "43/plugin,9[]");
    // Attachments.
    let third = ask(&world, &plugin, &project);
    socket.run();
    socket.send(&format!(
        "451-/plugin,[\"response\",{{\"response\":{{\"_placeholder\":true,\"num\":0}},\"session\":\"{third}\"}}]"
    ));
    socket.0.send(Message::binary(vec![1, 2, 3])).unwrap();
    until("its end", || Some(session(&world, &third)).filter(|session| session["result"] == json!({ "base64": "AQID" })));
}

#[test]
fn broken_packets_close_their_connection_only() {
    let world = World::new();
    let plugin = Plugin::create(&world, "batch-model", &[]);
    let mut good = Socket::open(&world);
    good.beat(&plugin, &plugin.secret);
    plugin.wait_for_light(&world, true);
    for bad in ["", "9", "4", "49", "42/plugin,{}", "42/plugin,[", "45/plugin,[\"x\"]", "43/plugin,[]", "\u{0}", "{}"] {
        let mut socket = Socket::open(&world);
        socket.beat(&plugin, &plugin.secret);
        socket.send(bad);
        assert!(socket.is_closed(), "{bad:?}");
    }
    let mut socket = Socket::open(&world);
    socket.0.send(Message::binary(vec![1])).unwrap();
    assert!(socket.is_closed());
    // Another namespace is refused, the connection stays.
    let mut socket = Socket::open(&world);
    socket.send("40/other,{}");
    assert!(socket.text().starts_with("44/other,"));
    socket.send("2probe");
    assert_eq!(socket.text(), "3probe");
    // Who says nothing is closed after ten seconds.
    assert!(socket.is_closed());
    good.send("2");
    assert_eq!(good.text(), "3");
    plugin.wait_for_light(&world, true);
}

/// A client that comes back at once, again and again.
#[test]
fn many_reconnects() {
    let world = World::new();
    let project = project(&world);
    let plugin = Plugin::create(&world, "batch-model", &[]);
    let (begun, mut last) = (Instant::now(), None);
    for _ in 0..210 {
        let mut socket = Socket::open(&world);
        socket.beat(&plugin, &plugin.secret);
        last = Some(socket);
    }
    let seconds = begun.elapsed().as_secs_f64();
    assert!(seconds < 30.0, "{seconds}");
    plugin.wait_for_light(&world, true);
    until("one connection", || (world.get(&format!("/api/v1/hub/plugins/{}", plugin.id))["connections"] == 1).then_some(()));
    // With a wrong secret: one address gets so many and no more, and everybody else is served.
    let strangers: Vec<Socket> = (0..64)
        .map(|_| {
            let mut socket = Socket::open(&world);
            socket.beat(&plugin, "wrong");
            socket
        })
        .collect();
    until("the refusals", || (world.get(&format!("/api/v1/hub/plugins/{}", plugin.id))["refused"] == 64).then_some(()));
    let id = ask(&world, &plugin, &project);
    let (_, payload) = last.as_mut().unwrap().run();
    assert_eq!(payload["session"], json!(id));
    drop(strangers);
}

/// Long polling, then the upgrade, as the oldest clients do it.
#[test]
fn polling_and_its_upgrade() {
    let world = World::new();
    let plugin = Plugin::create(&world, "batch-model", &[]);
    let get = |query: &str| world.http(&format!("GET /socket.io/?{query} HTTP/1.0\nHost: localhost\n\n"));
    let post = |sid: &str, body: &str| {
        world.http(&format!(
            "POST /socket.io/?transport=polling&EIO=4&sid={sid} HTTP/1.0\nHost: localhost\nContent-Length: {}\n\n{body}",
            body.len()
        ))
    };
    let (status, _, body) = get("transport=polling&EIO=4&t=1");
    assert_eq!(status, 200, "{body}");
    let open: Json = serde_json::from_str(&body[1..]).unwrap();
    assert_eq!(open["upgrades"], json!(["websocket"]));
    let sid = open["sid"].as_str().unwrap();
    assert_eq!(post(sid, "40/plugin,{}").2, "ok");
    assert!(get(&format!("transport=polling&EIO=4&sid={sid}")).2.starts_with("40/plugin,{\"sid\""));
    let beat = format!("42/plugin,[\"heartbeat\",{{\"id\":\"{}\",\"secret\":\"{}\"}}]\u{1e}2", plugin.id, plugin.secret);
    assert_eq!(post(sid, &beat).2, "ok");
    plugin.wait_for_light(&world, true);
    assert_eq!(get(&format!("transport=polling&EIO=4&sid={sid}")).2, "3");
    // The upgrade.
    let url = format!("{}/socket.io/?transport=websocket&EIO=4&sid={sid}", world.url.replace("http://", "ws://"));
    let mut socket = Socket(tungstenite::connect(url).unwrap().0);
    socket.send("2probe");
    assert_eq!(socket.text(), "3probe");
    socket.send("5");
    until("the end of the polls", || (get(&format!("transport=polling&EIO=4&sid={sid}")).0 == 400).then_some(()));
    plugin.wait_for_light(&world, true);
    // What is none of this is refused.
    for query in [
        "",
        "transport=carrier-pigeon&EIO=4",
        "transport=polling&EIO=3",
        "transport=polling&EIO=4&sid=unknown",
        "transport=websocket&EIO=4",
    ] {
        assert_eq!(get(query).0, 400, "{query}");
    }
    assert_eq!(post("unknown", "2").0, 400);
}
