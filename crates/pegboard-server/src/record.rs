//! Looks at every answer once: counts it, and writes the one log line of a failure.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use pegboard_model::{Error, ErrorKind};

use crate::app::App;

pub(crate) async fn record(State(app): State<App>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "unknown".to_owned(), |matched| matched.as_str().to_owned());
    // A link that is good once is in no log.
    let path = if route.contains("{token}") { route.clone() } else { path };
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    app.metrics.request(method.as_str(), &route, status, took);
    let duration_ms = took.as_millis();
    match response.extensions().get::<Error>() {
        Some(error) if matches!(error.kind, ErrorKind::Internal | ErrorKind::Exhausted) => tracing::error!(
            http.method = %method, http.path = path, http.status = status, error.code = error.code,
            error.detail = error.detail.as_deref().unwrap_or_default(), duration_ms, "request failed: {error}"
        ),
        Some(error) => tracing::info!(
            http.method = %method, http.path = path, http.status = status, error.code = error.code, duration_ms, "request refused: {error}"
        ),
        None => tracing::debug!(http.method = %method, http.path = path, http.status = status, duration_ms, "request answered"),
    }
    response
}
