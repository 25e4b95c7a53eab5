//! Pictures of every page: `cargo run -p pegboard-server --example screenshots -- --out FOLDER [--url URL] [--only WORD]`.
//!
//! Without `--url`, `pegboard demo` is started for them, and afterwards an empty server that asks people to sign in, for its door and for
//! what is there before the first plugin. Pages are found by their links from `/ui/`; each is taken at 1280 and 390 pixels, light and dark. What the console says as an error is printed, and so is what is wider than the page.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers: a failure ends it with its words"
)]

mod browser;

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use browser::Browser;
use serde_json::Value as Json;

/// Pages at most.
const MOST: usize = 60;
/// Pages at most whose paths differ in their last part only: runs, tasks, assets are alike.
const ALIKE: usize = 1;
/// Width and height of the window, and what the pictures are called.
const SIZES: [(i64, i64, &str); 2] = [(1280, 900, "wide"), (390, 844, "narrow")];
/// Pages that are refused.
const REFUSED: [&str; 2] = ["/ui/nothing", "/ui/runs?state=nothing"];
/// Of a server that has nothing yet.
const EMPTY: [&str; 7] =
    ["/ui/", "/ui/account", "/ui/plugins", "/ui/plugins/packages", "/ui/workflows", "/ui/projects", "/ui/sessions"];
const PASSWORD: &str = "a password for pictures";
/// Where to begin.
const ENTRIES: [&str; 2] = ["/ui/", "/ui/dash/"];
/// Whatever is wider than the window, with nothing around it that scrolls.
const TOO_WIDE: &str = "(() => { const wide = document.documentElement.clientWidth; const inside = (node) => { for (let up = node.parentElement; up; up = up.parentElement) { const style = getComputedStyle(up); if (style.overflowX !== 'visible') return true; } return false; }; return document.documentElement.scrollWidth <= wide ? '' : [...document.querySelectorAll('body *')].filter((node) => node.getBoundingClientRect().right > wide + 1 && !inside(node)).slice(0, 4).map((node) => node.tagName + '.' + node.className + '#' + node.id).join(' '); })()";
/// Nothing is being fetched or drawn any more.
const QUIET: &str = "document.readyState === 'complete' && !document.title.startsWith('Updating') && !document.querySelector('._dash-loading') && performance.now() - Math.max(0, ...performance.getEntriesByType('resource').map((each) => each.responseEnd || performance.now())) > 700";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let named = |name: &str| arguments.iter().position(|each| each == name).and_then(|at| arguments.get(at + 1)).cloned();
    let Some(out) = named("--out").map(PathBuf::from) else {
        eprintln!("usage: screenshots --out FOLDER [--url URL] [--only WORD]");
        std::process::exit(2);
    };
    let Some(program) = browser::program() else {
        eprintln!("no browser: install Debian's package `chromium`");
        std::process::exit(2);
    };
    std::fs::create_dir_all(&out).unwrap();
    let given = named("--url");
    let demo = if given.is_some() { None } else { Some(Server::start(&["demo"], "serving;")) };
    let url = given.clone().or_else(|| demo.as_ref().map(|demo| demo.url.clone())).unwrap_or_default();
    let url = url.trim_end_matches('/').to_owned();
    let only = named("--only").unwrap_or_default();

    let browser = Browser::start(&program);
    let mut paths = crawl(&browser, &url);
    paths.extend(REFUSED.map(str::to_owned));
    take(&browser, &url, &paths, &only, &out);
    drop(demo);
    if given.is_none() {
        let out = out.join("empty");
        std::fs::create_dir_all(&out).unwrap();
        let door = Server::start(&["serve", "--set", "server.sign_in=always"], "chooses one at");
        let link = door.said.split(door.url.as_str()).last().and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
        // The page of a server that has gone has no cookies that could be changed.
        browser.open(&format!("{}/ui/sign-in", door.url));
        take(&browser, &door.url, &["/ui/sign-in".to_owned(), "/ui/link/used".to_owned(), link.to_owned()], &only, &out);
        browser.open(&format!("{}{link}", door.url));
        browser.until(&format!("(() => {{ const field = document.querySelector('#password'); if (!field) return false; field.value = '{PASSWORD}'; document.querySelector('main [type=submit]').click(); return true; }})()"));
        browser.until("location.pathname === '/ui/'");
        take(&browser, &door.url, &EMPTY.map(str::to_owned), &only, &out);
    }
}

/// Takes each of these pages whose path has the word.
fn take(browser: &Browser, url: &str, paths: &[String], only: &str, out: &Path) {
    let mut told = browser.errors().len();
    for path in paths.iter().filter(|path| path.contains(only)) {
        for (width, height, size) in SIZES {
            for theme in ["light", "dark"] {
                // Anew for each: a picture of the whole page leaves the window as it was at first.
                browser.be_wide(width, height);
                browser.prefer(theme, url);
                browser.open(&format!("{url}{path}"));
                browser.until(QUIET);
                let file = out.join(format!("{}-{size}-{theme}.png", name(path)));
                std::fs::write(&file, browser.picture()).unwrap();
                let wide = browser.value(TOO_WIDE);
                if wide != "" && wide != Json::Null {
                    println!("{path} at {width}: wider than the page: {wide}");
                }
                for error in browser.errors().drain(told..) {
                    println!("{path}: {error}");
                }
                told = browser.errors().len();
            }
        }
        println!("{path}");
    }
    println!("{} pages looked for, in {}", paths.len(), out.display());
}

/// Paths below `/ui/` that pages link to, each kind a few times.
fn crawl(browser: &Browser, url: &str) -> Vec<String> {
    let mut open: VecDeque<String> = ENTRIES.map(str::to_owned).into();
    let mut found: Vec<String> = Vec::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(path) = open.pop_front() {
        if found.contains(&path) || found.len() >= MOST {
            continue;
        }
        browser.open(&format!("{url}{path}"));
        browser.until(QUIET);
        found.push(path);
        let links = browser.value("[...document.querySelectorAll('a[href]')].filter((link) => link.origin === location.origin && link.pathname.startsWith('/ui/')).map((link) => link.pathname)");
        for link in links.as_array().into_iter().flatten().filter_map(Json::as_str) {
            let is_page = Path::new(link).extension().is_none() && !link.contains("/assets/");
            if !is_page || found.iter().chain(&open).any(|known| known == link) {
                continue;
            }
            let kind = kinds.entry(kind_of(link)).or_default();
            *kind += 1;
            if *kind <= ALIKE {
                open.push_back(link.to_owned());
            }
        }
    }
    found
}

/// `/ui/runs/*` of `/ui/runs/01J…`: parts with digits are names of something; the dashboard's pages are each a kind of their own.
fn kind_of(path: &str) -> String {
    let part = |part: &str| if part.chars().any(|c| c.is_ascii_digit()) { "*".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn name(path: &str) -> String {
    let name = path.trim_matches('/').replace(['/', '%', '?', '='], "-");
    if name.is_empty() { "root".to_owned() } else { name }
}

/// A server by the program that is beside this program's folder.
struct Server {
    process: Child,
    url: String,
    /// Its words until it was ready.
    said: String,
    _data: tempfile::TempDir,
}

impl Server {
    fn start(arguments: &[&str], ready: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let own = std::env::current_exe().unwrap();
        let program = own.parent().and_then(Path::parent).unwrap().join("pegboard");
        assert!(program.is_file(), "build it first: `cargo build -p pegboard-server`");
        #[expect(clippy::disallowed_methods, reason = "the server is one of its own")]
        let mut process = Command::new(program)
            .args(arguments)
            .args(["--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut url, mut said) = (String::new(), String::new());
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        for line in lines.by_ref() {
            eprintln!("{line}");
            // What `serve` listens on goes to the standard output; the link to the first password names it, too.
            if let Some((_, rest)) = line.split_once("listening on http://").or_else(|| line.split_once("one at http://")) {
                url = format!("http://{}", rest.split('/').next().unwrap_or_default().trim());
            }
            said.push_str(&line);
            if line.contains(ready) {
                break;
            }
        }
        // Its pipe must not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url, said, _data: data }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = (self.process.kill(), self.process.wait());
    }
}
