//! A headless browser with one page. The tests use this file, too.

#![allow(dead_code, reason = "the example and the tests use different parts")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chromiumoxide::cdp::browser_protocol::emulation::{MediaFeature, SetDeviceMetricsOverrideParams};
use chromiumoxide::cdp::browser_protocol::network::{CookieParam, EventResponseReceived, SetCacheDisabledParams};
use chromiumoxide::cdp::js_protocol::runtime::{
    ConsoleApiCalledType, EvaluateParams, EventConsoleApiCalled, EventExceptionThrown,
};
use chromiumoxide::listeners::EventStream;
use chromiumoxide::page::ScreenshotParams;
use chromiumoxide::{Browser as Driven, BrowserConfig, Page};
use futures::StreamExt as _;
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

/// Longest wait for something to be seen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// One page in a browser of its own.
pub(crate) struct Browser {
    runtime: Runtime,
    driven: Driven,
    page: Page,
    errors: Arc<Mutex<Vec<String>>>,
    _profile: tempfile::TempDir,
}

/// The program, where the machine has one.
pub(crate) fn program() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name))).find(|path| path.is_file())
}

impl Browser {
    pub(crate) fn start(program: &PathBuf) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = BrowserConfig::builder()
            .chrome_executable(program)
            .user_data_dir(profile.path())
            .new_headless_mode()
            .no_sandbox()
            .viewport(None)
            .window_size(1280, 900)
            .arg("enable-unsafe-swiftshader")
            .launch_timeout(PATIENCE)
            .build()
            .unwrap();
        let errors = Arc::new(Mutex::new(Vec::new()));
        let (driven, page) = runtime.block_on(async {
            let (driven, mut handler) = Driven::launch(config).await.unwrap();
            // Messages of a browser that is newer than the driver are of no interest.
            tokio::spawn(async move { while handler.next().await.is_some() {} });
            let page = driven.new_page("about:blank").await.unwrap();
            let said = page.event_listener::<EventConsoleApiCalled>().await.unwrap();
            note(&errors, said, |said| (said.r#type == ConsoleApiCalledType::Error).then(|| json!(said.args).to_string()));
            let thrown = page.event_listener::<EventExceptionThrown>().await.unwrap();
            note(&errors, thrown, |thrown| Some(json!(thrown.exception_details).to_string()));
            let answered = page.event_listener::<EventResponseReceived>().await.unwrap();
            note(&errors, answered, |answered| {
                (answered.response.status >= 400).then(|| format!("{} {}", answered.response.status, answered.response.url))
            });
            (driven, page)
        });
        Self { runtime, driven, page, errors, _profile: profile }
    }

    /// What the page's console said as an error, and requests that failed.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes to an address; returns when the page has loaded.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        if let Err(error) = self.runtime.block_on(self.page.goto(url)) {
            panic!("cannot open {url}: {error}");
        }
    }

    /// The value of an expression in the page; null while the page is being changed for another.
    pub(crate) fn value(&self, expression: &str) -> Json {
        let asked = EvaluateParams::builder().expression(expression).return_by_value(true).await_promise(true).build().unwrap();
        let answer = self.runtime.block_on(self.page.evaluate_expression(asked));
        answer.ok().and_then(|answer| answer.value().cloned()).unwrap_or_default()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression) != json!(true) {
            assert!(
                begun.elapsed() < PATIENCE,
                "waited for {expression}\n{}\n{:#?}",
                self.value("document.body.innerText").as_str().unwrap_or_default(),
                self.errors()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until the page shows these words.
    #[track_caller]
    pub(crate) fn sees(&self, words: &str) {
        self.until(&format!("document.body.innerText.includes({})", json!(words)));
    }

    /// Shows pages so wide, in CSS pixels; a narrow one as a telephone does.
    pub(crate) fn be_wide(&self, width: i64, height: i64) {
        let size = SetDeviceMetricsOverrideParams::new(width, height, 1.0, width < 600);
        self.runtime.block_on(self.page.execute(size)).unwrap();
    }

    /// From now on nothing is taken from the cache: each visit is a first one.
    pub(crate) fn forget_everything(&self) {
        self.runtime.block_on(self.page.execute(SetCacheDisabledParams::new(true))).unwrap();
    }

    /// What the viewer's system prefers, and the theme that the viewer has chosen: `dark` or `light`.
    pub(crate) fn prefer(&self, theme: &str, url: &str) {
        let cookie = CookieParam::builder().name("wb_theme").value(theme).url(url).build().unwrap();
        self.runtime.block_on(async {
            self.page.emulate_media_features(vec![MediaFeature::new("prefers-color-scheme", theme)]).await.unwrap();
            self.page.set_cookie(cookie).await.unwrap();
        });
    }

    /// The whole page as PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        self.runtime.block_on(self.page.screenshot(ScreenshotParams::builder().full_page(true).build())).unwrap()
    }
}

fn note<T>(errors: &Arc<Mutex<Vec<String>>>, mut events: EventStream<T>, read: impl Fn(&T) -> Option<String> + Send + 'static)
where
    T: chromiumoxide::cdp::IntoEventKind + Send + Sync + Unpin + 'static,
{
    let errors = Arc::clone(errors);
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            errors.lock().unwrap_or_else(PoisonError::into_inner).extend(read(&event));
        }
    });
}

impl Drop for Browser {
    fn drop(&mut self) {
        let driven = &mut self.driven;
        // One that is gone already needs no end.
        let _ = self.runtime.block_on(async { (driven.kill().await, driven.wait().await) });
    }
}
