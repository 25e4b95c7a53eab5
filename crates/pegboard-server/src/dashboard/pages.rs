//! Which page belongs to a path, and what our own pages consist of.

use axum::response::Response;
use bytes::Bytes;
use regex::Regex;
use serde_json::{Map, Value as Json, json};

use super::artifacts::{ArtifactPage, PAGES};
use super::call::ask;
use super::node::{block, bootstrap, core, html, store};
use super::site::{Site, SitePage, SitePanel};
use super::told::{PageLayout, PanelFailure};
use super::update::{Request_, as_json};
use super::{PREFIX, node, overview};
use crate::app::App;
use crate::error::ApiError;

/// Milliseconds between two looks at the tables.
const REFRESH: u64 = 60_000;
/// Where failures are shown that belong to no panel.
pub(crate) const NOTICES: &str = "pegboard-notices";
/// Columns of the tables on the main page.
const FEW: usize = 5;

/// What stands around every page.
pub(crate) fn root(site: &Site, theme: &str) -> Json {
    let link = |href: String, text: &str| core("Link", json!({ "href": href, "children": text, "className": "pegboard-link" }));
    let mut links = vec![link(PREFIX.to_owned(), "Main")];
    links.extend(PAGES.iter().map(|page| link(address(page.path), page.title)));
    let others = site.pages.iter().filter(|page| page.page.path_template.is_none());
    links.extend(others.clone().map(|page| link(address(&page.path), &page.page.name)));
    links.push(link(address("/status"), "Status"));
    let themes: Vec<Json> = site
        .environment
        .themes
        .iter()
        .map(|theme| {
            let id = format!("pegboard-theme-{}", theme.name);
            bootstrap("DropdownMenuItem", json!({ "id": id, "n_clicks": 0, "children": words(&theme.name) }))
        })
        .collect();
    let menu = bootstrap(
        "DropdownMenu",
        json!({ "id": "settings-menu-dropdown", "label": "Theme", "align_end": true, "size": "sm", "color": "secondary", "children": themes }),
    );
    let nav = html("Nav", json!({ "className": "pegboard-links", "children": links, "aria-label": "Dashboard" }));
    let header = html(
        "Div",
        json!({ "className": "pegboard-header", "children": [nav, html("Div", json!({ "id": "settings-menu", "children": menu }))] }),
    );
    let registry: Map<String, Json> = others.map(|page| (page.path.clone(), json!(page.page.name))).collect();
    html(
        "Div",
        json!({ "children": [
            core("Location", json!({ "id": "url", "refresh": "callback-nav" })),
            core("Location", json!({ "id": "_pages_location", "refresh": "callback-nav" })),
            store("plugin-pages-info", Json::Object(registry)),
            store("workbench-theme-store", json!(theme)),
            store("_pages_store", Json::Null),
            html("Div", json!({ "id": "_pages_dummy", "hidden": true })),
            header,
            html("Div", json!({ "id": NOTICES, "className": "pegboard-page" })),
            bootstrap("Container", json!({
                "fluid": true, "className": "dbc dbc-ag-grid pegboard-page", "children": html("Div", json!({ "id": "_pages_content" })),
            })),
        ] }),
    )
}

/// The callback that fills the page.
pub(crate) async fn route(app: &App, site: &Site, request: &Request_, cookies: Map<String, Json>) -> Result<Response, ApiError> {
    let text = |property| request.value("_pages_location", property).and_then(Json::as_str).unwrap_or_default();
    let (content, title) = content(app, site, text("pathname"), text("search"), cookies).await?;
    let mut response = json!({ "multi": true, "response": {
        "_pages_content": {},
        "_pages_store": { "data": { "title": title } },
    }, "sideUpdate": { NOTICES: { "children": null } } });
    // Put there afterwards: it may be long, and `json!` would copy it.
    response["response"]["_pages_content"]["children"] = content;
    Ok(as_json(response.to_string()))
}

async fn content(
    app: &App,
    site: &Site,
    pathname: &str,
    search: &str,
    cookies: Map<String, Json>,
) -> Result<(Json, String), ApiError> {
    let path = plain(pathname);
    if path == "/" {
        return Ok((main(app, site).await?, "Dashboard".to_owned()));
    }
    if path == "/status" {
        return Ok((overview::page(app, site).await, "Status".to_owned()));
    }
    if let Some(page) = PAGES.iter().find(|page| page.path == path) {
        return Ok((artifact(app, site, page).await?, page.title.to_owned()));
    }
    if let Some((page, variables)) = find(site, &path) {
        return Ok(plugin(app, page, variables, search, cookies).await);
    }
    if let Some(page) = site.pages.iter().find(|page| page.page.is_not_found) {
        return Ok(plugin(app, page, Map::new(), search, cookies).await);
    }
    Ok((html("H1", json!({ "children": "404 - Page not found" })), "404 - Page not found".to_owned()))
}

/// The page that a path means, and what its template's variables are.
pub(crate) fn find<'a>(site: &'a Site, path: &str) -> Option<(&'a SitePage, Map<String, Json>)> {
    let plain = site.pages.iter().find(|page| page.path == path && page.page.path_template.is_none());
    let former = || site.pages.iter().find(|page| page.page.redirect_from.iter().any(|former| former == path));
    if let Some(page) = plain.or_else(former) {
        return Some((page, Map::new()));
    }
    site.pages.iter().find_map(|page| Some((page, variables(page.page.path_template.as_deref()?, path)?)))
}

/// `/asset/<name>` against `/asset/wine`: a variable takes as much as it can, as Dash has it.
fn variables(template: &str, path: &str) -> Option<Map<String, Json>> {
    let mut pattern = String::from("^");
    let mut names = Vec::new();
    let mut rest = template.trim_matches('/');
    while let Some((before, after)) = rest.split_once('<') {
        let (name, after) = after.split_once('>')?;
        pattern.push_str(&regex::escape(before));
        pattern.push_str("(.*)");
        names.push(name.to_owned());
        rest = after;
    }
    pattern.push_str(&regex::escape(rest));
    pattern.push('$');
    let found = Regex::new(&pattern).ok()?.captures(path.trim_matches('/'))?;
    let values = found.iter().skip(1).map(|part| json!(part.map(|part| part.as_str())));
    Some(names.into_iter().zip(values).collect())
}

async fn plugin(
    app: &App,
    page: &SitePage,
    variables: Map<String, Json>,
    search: &str,
    cookies: Map<String, Json>,
) -> (Json, String) {
    let title = page.page.title.clone().unwrap_or_else(|| page.page.name.clone());
    let whole = |layout: Json| match page.file.trouble() {
        Some(failure) => {
            let notice = node::notice("The last change of this page does not load; what was loaded before goes on", &failure);
            html("Div", json!({ "children": [notice, layout] }))
        }
        None => layout,
    };
    if !page.page.layout_is_function {
        return (whole(page.page.layout.clone()), title);
    }
    let payload = json!({ "page": page.page.module, "path_variables": variables, "query": query(search), "cookies": cookies });
    let deadline = app.settings.dashboard.callback_deadline;
    let answer = ask(app, &page.file, "pegboard.panels.layout", Bytes::from(payload.to_string()), deadline).await;
    let answer = answer.map_err(PanelFailure::from).and_then(|answer| {
        serde_json::from_slice::<PageLayout>(&answer).map_err(|error| PanelFailure {
            message: format!("the page's layout cannot be read: {error}"),
            ..PanelFailure::default()
        })
    });
    match answer {
        Ok(mut answer) => {
            if page.file.is_marked() {
                page.file.mark().add_to_tree(&mut answer.layout);
            }
            (whole(answer.layout), answer.title.unwrap_or(title))
        }
        Err(failure) => (node::notice("This page failed", &failure), title),
    }
}

/// The first value of each name in `?a=1&b=2`.
fn query(search: &str) -> Map<String, Json> {
    let text = search.trim_start_matches('?');
    let mut query = Map::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        query.entry(name).or_insert_with(|| json!(value));
    }
    query
}

async fn main(app: &App, site: &Site) -> Result<Json, ApiError> {
    let mut cells = Vec::new();
    for page in PAGES {
        let rows = page.rows(app).await?;
        let link = core("Link", json!({ "href": address(page.path), "children": page.title }));
        let count = html("Span", json!({ "className": "pegboard-count", "children": rows.len().to_string() }));
        let heading = html("H4", json!({ "children": [link, count] }));
        cells.push(block("pegboard-cell", json!([heading, page.grid(page.main, rows, FEW)])));
    }
    let links: Vec<Json> = site
        .pages
        .iter()
        .filter(|page| page.page.path_template.is_none())
        .map(|page| {
            html("Li", json!({ "children": core("Link", json!({ "href": address(&page.path), "children": page.page.name })) }))
        })
        .collect();
    let mut children = vec![
        core("Interval", json!({ "id": "main_refresh", "interval": REFRESH })),
        html("H2", json!({ "children": "Dashboard" })),
    ];
    if !links.is_empty() {
        children.push(block("pegboard-pages", json!([html("Ul", json!({ "id": "plugin-pages", "children": links }))])));
    }
    children.push(block("pegboard-cells", Json::Array(cells)));
    Ok(html("Div", json!({ "children": children })))
}

async fn artifact(app: &App, site: &Site, page: &'static ArtifactPage) -> Result<Json, ApiError> {
    let rows = page.rows(app).await?;
    let is_empty = rows.is_empty();
    let here: Vec<&SitePanel> = site.panels.iter().filter(|panel| panel.panel.page == page.page).collect();
    let (ours, theirs): (Vec<&SitePanel>, Vec<&SitePanel>) = here.into_iter().partition(|panel| panel.file.is_ours);
    let (details, plots): (Vec<&SitePanel>, Vec<&SitePanel>) =
        ours.into_iter().partition(|panel| panel.panel.class.ends_with("Details"));
    let nodes = |panels: Vec<&SitePanel>| -> Vec<Json> { panels.into_iter().map(SitePanel::node).collect() };
    let broken = broken(app, page);
    let mut children = vec![
        core("Interval", json!({ "id": format!("{}_refresh", page.prefix), "interval": REFRESH })),
        store(&format!("{}_page_loaded", page.prefix), json!(false)),
        block("pegboard-title", json!([html("H2", json!({ "children": page.title })), origin(page)])),
        page.grid(&page.table(), rows, usize::MAX),
    ];
    if is_empty {
        let kind = page.prefix.trim_end_matches('s').replace('_', "-");
        let code = |text: String| html("Code", json!({ "children": text }));
        let words = vec![
            json!("Nothing is published yet: a workflow does it with "),
            code("pegboard.catalog".to_owned()),
            json!(", you do it with "),
            code(format!("pegboard catalog add {kind}")),
            json!("."),
        ];
        children.push(html("P", json!({ "className": "pegboard-message", "children": words })));
    }
    let class = if is_empty { "pegboard-columns pegboard-empty" } else { "pegboard-columns" };
    let mut columns = vec![block("pegboard-plots", Json::Array(nodes(plots)))];
    if !details.is_empty() {
        columns.insert(0, block("pegboard-details", Json::Array(nodes(details))));
    }
    children.push(block(class, Json::Array(columns)));
    if !theirs.is_empty() || !broken.is_empty() {
        children.push(html("H3", json!({ "id": "plugins_header", "children": "Plugins" })));
        let mut panels = nodes(theirs);
        panels.extend(broken);
        children.push(block("pegboard-panels", Json::Array(panels)));
    }
    Ok(node::around("Div", children))
}

/// The way from the row that is selected to what made it; its address comes with the selection.
fn origin(page: &ArtifactPage) -> Json {
    let class = "btn btn-sm btn-outline-secondary";
    html(
        "A",
        json!({ "id": format!("{}_origin", page.prefix), "className": class, "hidden": true, "children": "Where it comes from" }),
    )
}

/// Component files that never loaded: nobody knows their page, so the first one of the menu that people work on shows them.
fn broken(app: &App, page: &ArtifactPage) -> Vec<Json> {
    if page.page != "model" {
        return Vec::new();
    }
    let mut nodes = Vec::new();
    for file in app.dashboard.files() {
        let standing = file.standing();
        if file.kind != super::file::FileKind::Component || standing.loaded.is_some() {
            continue;
        }
        let Some(failure) = standing.failure else { continue };
        let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        nodes.push(block("pegboard-panel", json!([node::notice(&format!("{name} does not load"), &failure)])));
    }
    nodes
}

/// A path below the dashboard's prefix.
pub(crate) fn address(path: &str) -> String {
    format!("{PREFIX}{}", path.trim_start_matches('/'))
}

/// The path without the prefix, which links of plugins do not have.
pub(crate) fn plain(pathname: &str) -> String {
    let inside = pathname.strip_prefix(PREFIX.trim_end_matches('/')).unwrap_or(pathname);
    let path = format!("/{}", inside.trim_matches('/'));
    percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned()
}

/// `midnight_blue` as people write it.
fn words(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
    };
    name.split('_').map(capital).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_and_without_the_prefix() {
        for (given, path) in [
            ("/ui/dash/", "/"),
            ("/ui/dash", "/"),
            ("/", "/"),
            ("/ui/dash/models", "/models"),
            ("/models/", "/models"),
            ("/ui/dash/a%20b/c+d&e=f", "/a b/c+d&e=f"),
        ] {
            assert_eq!(plain(given), path, "{given}");
        }
        assert_eq!(words("midnight_blue"), "Midnight Blue");
        assert_eq!(query("?a=1&b=x%20y&a=2"), Map::from_iter([("a".to_owned(), json!("1")), ("b".to_owned(), json!("x y"))]));
    }

    #[test]
    fn templates_give_variables() {
        let found = |template, path| variables(template, path).map(|variables| Json::Object(variables).to_string());
        assert_eq!(found("/asset/<name>", "/asset/wine").as_deref(), Some(r#"{"name":"wine"}"#));
        assert_eq!(found("/asset/v<n>-<x>", "/asset/v1-2").as_deref(), Some(r#"{"n":"1","x":"2"}"#));
        assert_eq!(found("/a/<x>", "/a/b/c").as_deref(), Some(r#"{"x":"b/c"}"#));
        assert_eq!(found("/asset/v<n>", "/asset/v12").as_deref(), Some(r#"{"n":"12"}"#));
        assert_eq!(found("/asset/<name>", "/asset"), None);
        assert_eq!(found("/asset/<name>", "/other/x"), None);
    }
}
