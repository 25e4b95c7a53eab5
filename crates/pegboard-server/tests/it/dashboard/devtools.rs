//! A headless browser, spoken to by its own debugging protocol.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// Longest wait for something to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

/// One page in a browser of its own.
pub(super) struct Browser {
    process: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    number: u64,
    /// What the page's console said as an error, and requests that failed.
    pub(super) errors: Vec<String>,
    _profile: tempfile::TempDir,
}

/// The program, where the machine has one.
pub(super) fn program() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name))).find(|path| path.is_file())
}

impl Browser {
    pub(super) fn start(program: &PathBuf) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        #[expect(clippy::disallowed_methods, reason = "the browser is no child of the server")]
        let mut process = Command::new(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--enable-unsafe-swiftshader",
                "--remote-debugging-port=0",
                &data,
                "about:blank",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("listening on ws://").map(|(_, rest)| rest.to_owned()));
        let address = address.expect("the browser says where it listens");
        // Its pipe must not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        let host = address.split('/').next().unwrap().to_owned();
        let (mut all, _) = tungstenite::connect(format!("ws://{address}")).unwrap();
        let page = loop {
            all.send(Message::text(r#"{"id":1,"method":"Target.getTargets"}"#)).unwrap();
            let answer: Json = serde_json::from_str(all.read().unwrap().to_text().unwrap()).unwrap();
            let targets = answer["result"]["targetInfos"].as_array().cloned().unwrap_or_default();
            if let Some(page) = targets.iter().find(|target| target["type"] == "page") {
                break page["targetId"].as_str().unwrap().to_owned();
            }
        };
        let (socket, _) = tungstenite::connect(format!("ws://{host}/devtools/page/{page}")).unwrap();
        let mut browser = Self { process, socket, number: 0, errors: Vec::new(), _profile: profile };
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// One command and its result; what comes meanwhile is noted.
    pub(super) fn ask(&mut self, method: &str, parameters: &Json) -> Json {
        self.number += 1;
        let text = json!({ "id": self.number, "method": method, "params": parameters }).to_string();
        self.socket.send(Message::text(text)).unwrap();
        loop {
            let message = self.socket.read().unwrap();
            let Ok(text) = message.to_text() else { continue };
            let Ok(mut told) = serde_json::from_str::<Json>(text) else { continue };
            if told["id"] == self.number {
                return told["result"].take();
            }
            self.note(&told);
        }
    }

    fn note(&mut self, told: &Json) {
        let parameters = &told["params"];
        match told["method"].as_str() {
            Some("Runtime.consoleAPICalled") if parameters["type"] == "error" => self.errors.push(parameters["args"].to_string()),
            Some("Runtime.exceptionThrown") => self.errors.push(parameters["exceptionDetails"].to_string()),
            Some("Network.responseReceived") if parameters["response"]["status"].as_u64() >= Some(400) => {
                self.errors.push(format!("{} {}", parameters["response"]["status"], parameters["response"]["url"]));
            }
            _ => {}
        }
    }

    pub(super) fn open(&mut self, url: &str) {
        self.ask("Page.navigate", &json!({ "url": url }));
    }

    /// The value of an expression in the page.
    pub(super) fn value(&mut self, expression: &str) -> Json {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        self.ask("Runtime.evaluate", &asked)["result"]["value"].take()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(super) fn until(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression) != json!(true) {
            assert!(
                begun.elapsed() < PATIENCE,
                "waited for {expression}\n{}\n{:#?}",
                self.value("document.body.innerText").as_str().unwrap_or_default(),
                self.errors
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the page shows these words.
    #[track_caller]
    pub(super) fn sees(&mut self, words: &str) {
        self.until(&format!("document.body.innerText.includes({})", json!(words)));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
