//! Signing in by a real provider: one from the package index, run by the test in a virtual environment below the target directory.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value as Json, json};

use crate::support::{World, root, until};

const PROVIDER: &str = "oidc-provider-mock==0.3.4";

#[expect(clippy::disallowed_methods, reason = "a test runs the provider as a user would")]
fn program(path: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(path)
}

fn python() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = root().join("target/openid-provider");
        let (marker, python) = (folder.join("made-of"), folder.join("bin/python"));
        if fs::read_to_string(&marker).ok().as_deref() != Some(PROVIDER) {
            let _ = fs::remove_dir_all(&folder);
            let well = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
            well(program("python3").args(["-m", "venv"]).arg(&folder));
            well(program(&python).args(["-m", "pip", "install", "--quiet", PROVIDER]));
            fs::write(&marker, PROVIDER).unwrap();
        }
        python
    })
    .clone()
}

/// The provider's process; it ends with the value.
struct Provider {
    process: Child,
    address: String,
}

impl Provider {
    fn start() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = program(python())
            .args(["-m", "oidc_provider_mock", "--port", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = address.to_string();
        until("the provider", || TcpStream::connect(&address).ok());
        Self { process, address }
    }

    /// Somebody whom it knows.
    fn knows(&self, name: &str, claims: &Json) {
        let body = claims.to_string();
        let request =
            format!("PUT /users/{name} HTTP/1.0\nContent-Type: application/json\nContent-Length: {}\n\n{body}", body.len());
        let (status, _, body) = exchange(&self.address, &request);
        assert_eq!(status, 204, "{body}");
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn exchange(address: &str, request: &str) -> (u16, String, String) {
    let request = request.replacen('\n', &format!("\nHost: {address}\n"), 1);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.replace('\n', "\r\n").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

fn header(head: &str, name: &str) -> Option<String> {
    let of =
        |line: &str| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned());
    head.lines().find_map(of)
}

fn cookie(head: &str, name: &str) -> String {
    let set = head.lines().filter_map(|line| line.split_once(": ")).filter(|(key, _)| key.eq_ignore_ascii_case("set-cookie"));
    let found = set.map(|(_, value)| value.split(';').next().unwrap()).find(|pair| pair.starts_with(name));
    found.unwrap_or_else(|| panic!("no cookie {name} in {head}")).to_owned()
}

/// Goes to the provider, lets this user be vouched for, and comes back: the callback's path and the browser's cookie.
fn go(world: &World, provider: &Provider, user: &str) -> (String, String) {
    let ours = world.url.strip_prefix("http://").unwrap();
    let (status, head, body) = exchange(ours, "GET /ui/openid?next=/ui/account HTTP/1.0\n\n");
    assert_eq!(status, 303, "{body}");
    let place = header(&head, "location").unwrap();
    for part in ["response_type=code", "code_challenge_method=S256", "nonce=", "scope=openid+email", "state="] {
        assert!(place.contains(part), "{part} in {place}");
    }
    let path = place.split_once(&provider.address).unwrap().1;
    let form = format!("sub={user}");
    let request = format!(
        "POST {path} HTTP/1.0\nContent-Type: application/x-www-form-urlencoded\nContent-Length: {}\n\n{form}",
        form.len()
    );
    let (status, provided, body) = exchange(&provider.address, &request);
    assert!((300..400).contains(&status), "{status} {body}");
    let back = header(&provided, "location").unwrap();
    (back.split_once(ours).unwrap().1.to_owned(), cookie(&head, "pegboard_openid"))
}

fn callback(world: &World, path: &str, cookie: &str) -> (u16, String, Json) {
    let ours = world.url.strip_prefix("http://").unwrap();
    let (status, head, body) = exchange(ours, &format!("GET {path} HTTP/1.0\nCookie: {cookie}\n\n"));
    (status, head, serde_json::from_str(&body).unwrap_or(Json::String(body)))
}

#[test]
fn whom_the_provider_vouches_for_comes_in() {
    let provider = Provider::start();
    provider.knows("alice", &json!({ "email": "alice@example.com", "email_verified": true }));
    provider.knows("bob", &json!({ "email": "bob@example.com", "email_verified": false }));
    provider.knows("carol", &json!({ "email": "carol@elsewhere.org", "email_verified": true }));
    let mut world = World::unstarted();
    let issuer = format!("http://{}", provider.address);
    world.start_with(&[
        ("PEGBOARD__SERVER__SIGN_IN", "always"),
        ("PEGBOARD__SERVER__OPENID__ISSUER", &issuer),
        ("PEGBOARD__SERVER__OPENID__CLIENT_ID", "pegboard"),
        ("PEGBOARD__SERVER__OPENID__CLIENT_SECRET", "a secret"),
        ("PEGBOARD__SERVER__OPENID__DOMAINS", "example.com"),
        ("PEGBOARD__SERVER__OPENID__ROLE", "viewer"),
        ("NO_PROXY", "127.0.0.1"),
    ]);
    let (path, bound) = go(&world, &provider, "alice");
    // Neither another browser nor a forged state comes in, and the trip of who tried is over.
    assert_eq!(callback(&world, "/ui/openid/callback?state=x&code=y", &bound).0, 403);
    let (status, head, body) = callback(&world, &path, &bound);
    assert_eq!(status, 303, "{body}");
    assert_eq!(header(&head, "location").as_deref(), Some("/ui/account"));
    let session = cookie(&head, "pegboard_session");
    let ours = world.url.strip_prefix("http://").unwrap();
    let (status, _, body) = exchange(ours, &format!("GET /api/v1/session HTTP/1.0\nCookie: {session}\n\n"));
    let who: Json = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &who["user"]["email"], &who["role"]), (200, &json!("alice@example.com"), &json!("viewer")), "{who}");
    assert_eq!(callback(&world, &path, &bound).2["error"]["code"], "openid-refused", "good once");
    let (path, _) = go(&world, &provider, "alice");
    assert_eq!(callback(&world, &path, "pegboard_openid=other").2["error"]["code"], "openid-refused");
    for (user, word) in [("bob", "verified"), ("carol", "elsewhere.org")] {
        let (path, bound) = go(&world, &provider, user);
        let (status, _, body) = callback(&world, &path, &bound);
        assert_eq!(status, 403, "{body}");
        assert!(body["error"]["message"].as_str().unwrap().contains(word), "{body}");
    }
    // A second time it is the same user.
    let (path, bound) = go(&world, &provider, "alice");
    assert_eq!(callback(&world, &path, &bound).0, 303);
}

#[test]
fn a_provider_that_is_away_is_said_so() {
    let mut world = World::unstarted();
    world.start_with(&[
        ("PEGBOARD__SERVER__SIGN_IN", "always"),
        ("PEGBOARD__SERVER__OPENID__ISSUER", "http://127.0.0.1:1"),
        ("PEGBOARD__SERVER__OPENID__CLIENT_ID", "pegboard"),
        ("NO_PROXY", "127.0.0.1"),
    ]);
    let (status, _, body) = callback(&world, "/ui/openid", "");
    assert_eq!((status, body["error"]["code"].as_str()), (503, Some("openid-unreachable")), "{body}");
}
