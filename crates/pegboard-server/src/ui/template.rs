//! Templates: embedded in the program; a build for development reads them anew from the source tree for each page.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse as _, Response};
use minijinja::{Environment, UndefinedBehavior};
use pegboard_model::Error;
use rust_embed::RustEmbed;
use serde::Serialize;

use super::filters;
use crate::app::App;
use crate::error::ApiError;

/// Nothing but our own files; nobody frames us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self'; \
                      connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "pages/"]
struct Files;

/// The templates of all pages, parsed when first shown.
pub(crate) struct Pages(Environment<'static>);

impl Default for Pages {
    fn default() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        filters::add(&mut environment);
        environment.set_loader(|name| Ok(source(name)));
        Self(environment)
    }
}

/// A template's text: from the source tree while it is being worked on, else what was built in.
fn source(name: &str) -> Option<String> {
    if cfg!(debug_assertions) {
        let place = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pages").join(name);
        if let Ok(text) = std::fs::read_to_string(place) {
            return Some(text);
        }
    }
    Files::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned())
}

impl Pages {
    /// A template's output.
    fn render<T: Serialize>(&self, name: &str, known: &T) -> Result<String, Error> {
        if cfg!(debug_assertions) {
            let Self(fresh) = Self::default();
            return fresh.get_template(name).and_then(|template| template.render(known)).map_err(|error| broken(name, &error));
        }
        self.0.get_template(name).and_then(|template| template.render(known)).map_err(|error| broken(name, &error))
    }

    /// A short template given as text: the path of an ask.
    pub(super) fn text<T: Serialize>(&self, text: &str, known: &T) -> Result<String, Error> {
        self.0.render_str(text, known).map_err(|error| broken(text, &error))
    }
}

fn broken(name: &str, error: &minijinja::Error) -> Error {
    Error::internal("page", format!("cannot show the page `{name}`")).detail(format!("{error:#}"))
}

/// A page as an answer, with the headers that keep it harmless.
pub(super) fn html<T: Serialize>(app: &App, name: &str, known: &T) -> Result<Response, ApiError> {
    let text = app.pages.render(name, known)?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}
