//! A temporary world: folders, a server process, commands against it. Everything ends with the value.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// Longest time that anything in these tests may take; a first environment may need a download.
const PATIENCE: Duration = Duration::from_secs(300);

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two folders below the root").to_owned()
}

/// A command of the real binary with a clean environment.
#[expect(clippy::disallowed_methods, reason = "a test drives the binary as a user would")]
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pegboard"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PEGBOARD_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The same, when it ended well.
    #[track_caller]
    pub(crate) fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The same, when it ended with this code and said these words on standard error.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        words.iter().for_each(|word| assert!(self.stderr.contains(word), "`{word}` in\n{}", self.stderr));
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", self.stdout))
    }
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn end(command: &mut Command) -> Ended {
    finish(command.spawn().expect("the binary starts"))
}

/// Waits for a process, reading what it says.
#[track_caller]
pub(crate) fn finish(mut child: Child) -> Ended {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.as_mut().map(|stderr| stderr.read_to_string(&mut text));
        text
    });
    let outputs = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.as_mut().map(|stdout| stdout.read_to_string(&mut text));
        text
    });
    let begun = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status.code();
        }
        if begun.elapsed() > PATIENCE {
            child.kill().expect("it can be killed");
            panic!("a command hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ended { code, stdout: outputs.join().expect("read"), stderr: errors.join().expect("read") }
}

/// Runs the binary in a folder.
#[track_caller]
pub(crate) fn pegboard(folder: &Path, arguments: &[&str]) -> Ended {
    end(command(arguments).current_dir(folder))
}

/// Sends a signal by number.
pub(crate) fn signal(process: &Child, name: &str) {
    #[expect(clippy::disallowed_methods, reason = "the shell's kill is at hand everywhere")]
    let status = Command::new("kill").args([&format!("-{name}"), &process.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
}

/// A server process and its folders.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) url: String,
    pub(crate) server: Option<Child>,
}

impl World {
    /// A server on a free port with a fresh data directory.
    pub(crate) fn new() -> Self {
        let mut world = Self::unstarted();
        world.start();
        world
    }

    /// A fresh data directory without a server.
    pub(crate) fn unstarted() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), url: String::new(), server: None }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the server, again when it ran before.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    /// The same, with variables in the server's environment.
    #[track_caller]
    pub(crate) fn start_with(&mut self, variables: &[(&str, &str)]) {
        self.start_at("127.0.0.1:0", variables);
    }

    /// The same at another address.
    #[track_caller]
    pub(crate) fn start_at(&mut self, listen: &str, variables: &[(&str, &str)]) {
        let log = std::fs::File::create(self.folder.path().join("server.log")).expect("a log file");
        let data = self.data();
        let mut child = command(&["serve", "--listen", listen, "--data", data.to_str().expect("UTF-8")])
            .current_dir(self.folder.path())
            .envs(variables.iter().copied())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it speaks");
        self.url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("`{line}` {}", self.log())).to_owned();
        self.server = Some(child);
    }

    /// What the server said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut server = self.server.take().expect("it runs");
        server.kill().expect("it can be killed");
        server.wait().expect("it can be waited for");
    }

    /// A client command against the server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.current_dir(self.folder.path()).env("PEGBOARD_URL", &self.url);
        command
    }

    /// Runs a client command to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        end(&mut self.command(arguments))
    }

    /// Writes a file into the folder and gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// Installs the fixture plugin that behaves.
    #[track_caller]
    pub(crate) fn install_good(&self) {
        self.install("good");
    }

    /// Installs a fixture plugin.
    #[track_caller]
    pub(crate) fn install(&self, name: &str) {
        let path = root().join("fixtures/plugins").join(name);
        // Builds of one source folder share its scratch files: one at a time.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        self.run(&["install", path.to_str().expect("UTF-8")]).well();
    }

    /// Applies a workflow of stages given as `name: target` lines with optional more.
    #[track_caller]
    pub(crate) fn workflow(&self, name: &str, stages: &str) {
        let text = format!("kind: workflow\nmetadata: {{name: {name}}}\nspec:\n  stages:\n{stages}");
        let file = self.file(&format!("{name}.yaml"), &text);
        self.run(&["apply", &file]).well();
    }

    /// A raw HTTP exchange: status, head, body.
    #[track_caller]
    pub(crate) fn http(&self, request: &str) -> (u16, String, String) {
        let address = self.url.strip_prefix("http://").expect("a URL");
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream.write_all(request.replace('\n', "\r\n").as_bytes()).expect("sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("answered");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    /// GET of a path that answers JSON.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Json {
        let (status, _, body) = self.http(&format!("GET {path} HTTP/1.0\nHost: localhost\n\n"));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // Ended already, or about to be.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Waits until `done` says something.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
