//! A folder of panels in object storage. Needs the S3 endpoint that the store's tests use.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Dashboard, panel};
use crate::support::until;

/// Stands between the server and the storage, so that the storage can go away.
struct Between {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
}

impl Between {
    fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_cut = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_cut);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&target) else { continue };
                for (from, to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
                    let flag = Arc::clone(&flag);
                    std::thread::spawn(move || pass(from, to, &flag));
                }
            }
        });
        Self { address, is_cut }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, is_cut: &AtomicBool) {
    let mut piece = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if is_cut.load(Ordering::Relaxed) || to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// The emulator wants to see who writes, and does not check it.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// Puts or removes an object.
fn change(endpoint: &str, method: &str, path: &str, text: &str) {
    let mut stream = TcpStream::connect(endpoint).unwrap();
    let length = text.len();
    let head = format!("{method} /{path} HTTP/1.1\r\nHost: {endpoint}\r\nAuthorization: {SIGNED}\r\nConnection: close\r\n");
    let head = format!("{head}Content-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{text}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

#[test]
fn what_is_uploaded_is_live_and_outlasts_the_storage() {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(endpoint) = variable("PEGBOARD_TEST_S3_ENDPOINT") else { return };
    let endpoint = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let bucket = variable("PEGBOARD_TEST_S3_BUCKET").unwrap_or_else(|| "pegboard-test".to_owned());
    let prefix = format!("{bucket}/panels-{}", std::process::id());
    let object = |name: &str| format!("{prefix}/components/{name}");
    change(&endpoint, "PUT", &object("a.py"), &panel("First", "first", "old"));

    let between = Between::start(endpoint.clone());
    let (folder, address) = (format!("s3://{prefix}"), format!("http://{}", between.address));
    let settings = [
        ("WORKBENCH_PLUGINS", folder.as_str()),
        ("PEGBOARD__DASHBOARD__POLL", "200ms"),
        ("AWS_ENDPOINT_URL", address.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    let mut dashboard = Dashboard::with_settings(&[], &settings);
    let knows = |dashboard: &Dashboard, id: &str| {
        dashboard.dependencies().iter().any(|spec| spec["output"].as_str().unwrap_or_default().contains(id))
    };
    until("the first copy", || knows(&dashboard, "first").then_some(()));
    assert_eq!(dashboard.shown("first", "alpha"), "old alpha held-out");

    change(&endpoint, "PUT", &object("a.py"), &panel("First", "first", "new"));
    change(&endpoint, "PUT", &object("b.py"), &panel("Second", "second", "two"));
    until("the upload", || {
        (knows(&dashboard, "second") && dashboard.shown("first", "alpha") == "new alpha held-out").then_some(())
    });
    assert_eq!(dashboard.shown("second", "beta"), "two beta held-out");

    between.is_cut.store(true, Ordering::Relaxed);
    until("the problem", || dashboard.plugins()["problems"].to_string().contains("cannot read the plugin folder").then_some(()));
    assert_eq!(dashboard.shown("first", "alpha"), "new alpha held-out");
    let said = dashboard.plugins()["problems"].to_string();
    assert!(said.contains(&folder) && said.contains("what was copied before goes on serving"), "{said}");
    // What serves is a copy: it can be loaded again, and look after look changes nothing.
    let id = dashboard.plugin("a.py")["id"].as_str().unwrap().to_owned();
    let before = dashboard.plugin("a.py")["process_id"].clone();
    assert_eq!(dashboard.post(&format!("/api/v1/dashboard/plugins/{id}/reload"), &serde_json::json!({})).0, 200);
    until("the new worker", || (dashboard.plugin("a.py")["process_id"] != before).then_some(()));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        assert_eq!(dashboard.shown("first", "alpha"), "new alpha held-out");
        assert_eq!(dashboard.shown("second", "alpha"), "two alpha held-out");
    }
    // Even by a server that starts while the storage is away.
    dashboard.world.kill();
    dashboard.world.start_with(&settings);
    dashboard.settle();
    until("the copy", || knows(&dashboard, "second").then_some(()));
    assert_eq!(dashboard.shown("first", "alpha"), "new alpha held-out");
    until("the problem", || dashboard.plugins()["problems"].to_string().contains("cannot read the plugin folder").then_some(()));
    // What is uploaded meanwhile, by others, comes with the storage.
    change(&endpoint, "PUT", &object("a.py"), &panel("First", "first", "newest"));

    between.is_cut.store(false, Ordering::Relaxed);
    change(&endpoint, "DELETE", &object("b.py"), "");
    until("the removal", || (!knows(&dashboard, "second")).then_some(()));
    assert_eq!(dashboard.plugins()["problems"], serde_json::json!([]));
    until("the upload", || (dashboard.shown("first", "beta") == "newest beta held-out").then_some(()));
}
