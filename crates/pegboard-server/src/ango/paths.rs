//! Paths as clients of the dialect write them: with slashes too many in front, within or at the end.

use axum::http::{Request, Uri};

/// Collapses repeated slashes of the dialect's paths, before routes are looked up. Others stay as they are.
pub(crate) async fn one_slash(request: axum::extract::Request) -> axum::extract::Request {
    straightened(request)
}

fn straightened<B>(mut request: Request<B>) -> Request<B> {
    if let Some(path) = meant(request.uri().path()) {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        // What was a path and a query is one again.
        if let Ok(uri) = format!("{path}{query}").parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    request
}

fn meant(path: &str) -> Option<String> {
    let (slashes, doubled) = (path.trim_start_matches('/'), path.contains("//"));
    if !slashes.starts_with("v2/") || !(doubled || path.ends_with('/')) {
        return None;
    }
    let parts: Vec<&str> = slashes.split('/').filter(|part| !part.is_empty()).collect();
    Some(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_collapsed_for_the_dialect_only() {
        for (uri, expected) in [
            ("//v2/export?project=1", "/v2/export?project=1"),
            ("/v2//project/1/rerun-webhook", "/v2/project/1/rerun-webhook"),
            ("/v2/storages/", "/v2/storages"),
            ("/v2/storages/?a=//b", "/v2/storages?a=//b"),
            ("/v2/project/1", "/v2/project/1"),
            ("/workflows/", "/workflows/"),
            ("/files//x", "/files//x"),
            ("/", "/"),
        ] {
            let request = straightened(Request::builder().uri(uri).body(()).unwrap());
            assert_eq!(request.uri().to_string(), expected);
        }
    }
}
