//! The site that all files make together: a pure function of what they told.
//!
//! Invariants: what a file brings never takes away what an earlier one has brought (the first to own an output or a path keeps it, the
//! other is told); each panel has callbacks of its own; what is ours comes first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use super::artifacts::{ArtifactPage, PAGES};
use super::assets::Asset;
use super::environment::Environment;
use super::file::PanelFile;
use super::mark::has_patterns;
use super::node;
use super::pages::root;
use super::told::{InlineScript, Loaded, Message, Page, Panel, PanelFailure};

/// Everything that browsers are told, made anew when a file changes.
pub(crate) struct Site {
    pub(crate) environment: Arc<Environment>,
    pub(crate) dependencies: Bytes,
    /// By theme.
    layouts: BTreeMap<String, Bytes>,
    /// By the output key that the browser sends.
    pub(crate) owners: HashMap<String, Owner>,
    pub(crate) panels: Vec<SitePanel>,
    pub(crate) pages: Vec<SitePage>,
    pub(crate) inline_scripts: Vec<InlineScript>,
    pub(crate) assets: Vec<Asset>,
    /// What did not fit together, by key of the file.
    pub(crate) problems: BTreeMap<u64, Vec<Message>>,
}

/// Who answers a callback.
#[derive(Clone)]
pub(crate) enum Owner {
    /// The router of pages.
    Pages,
    /// Rows of a page's table, or of the main page's.
    Rows(&'static ArtifactPage),
    /// The update of a panel, by position.
    Update(usize),
    /// A panel's change of theme, by position.
    Theme(usize),
    /// A callback of the file's own. `output`: what it is called there, when that is something else.
    Worker { file: Arc<PanelFile>, output: Option<String>, marked: bool },
}

/// A panel with its place.
#[derive(Clone)]
pub(crate) struct SitePanel {
    pub(crate) file: Arc<PanelFile>,
    pub(crate) panel: Panel,
    /// Tells panels apart in URLs and ids.
    pub(crate) key: String,
    /// Changes with every load.
    pub(crate) edition: u64,
}

impl SitePanel {
    pub(crate) fn wrapper(&self) -> String {
        format!("pegboard-panel-{}", self.key)
    }

    pub(crate) fn notice(&self) -> String {
        format!("{}-notice", self.wrapper())
    }

    pub(crate) fn stamp(&self) -> String {
        format!("{}-edition", self.wrapper())
    }

    /// Whether `update` and `set_theme` make sense.
    fn is_alive(&self) -> bool {
        self.panel.error.is_none() && !self.panel.properties.is_empty()
    }

    /// What is wrong with the file now, if something is.
    pub(crate) fn trouble(&self) -> Option<Json> {
        let failure = self.file.trouble()?;
        Some(node::notice("The last change does not load; what was loaded before goes on", &failure))
    }

    /// Component, notice and a stamp, ready for a page.
    pub(crate) fn node(&self) -> Json {
        let title = node::html("Div", json!({ "className": "pegboard-panel-title", "children": self.panel.class }));
        let notice = node::html("Div", json!({ "id": self.notice(), "children": self.trouble() }));
        let body = node::html(
            "Div",
            // What is wider than its place scrolls, by keyboard, too.
            json!({ "id": format!("{}-body", self.wrapper()), "className": "pegboard-panel-body", "tabIndex": 0,
                "children": [self.panel.layout] }),
        );
        let stamp = node::store(&self.stamp(), json!(self.edition));
        let mut children = vec![notice, body, stamp];
        if !self.file.is_ours {
            children.insert(0, title);
        }
        node::html("Div", json!({ "id": self.wrapper(), "className": "pegboard-panel", "children": children }))
    }
}

/// A page of a plugin.
#[derive(Clone)]
pub(crate) struct SitePage {
    pub(crate) file: Arc<PanelFile>,
    pub(crate) page: Page,
    pub(crate) path: String,
}

/// One file with what it told when it was loaded.
pub(crate) struct Part {
    pub(crate) file: Arc<PanelFile>,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) edition: u64,
}

/// What has come together so far.
struct Merge {
    owners: HashMap<String, Owner>,
    dependencies: Vec<Map<String, Json>>,
    /// Outputs that somebody writes.
    written: HashSet<String>,
    problems: BTreeMap<u64, Vec<Message>>,
}

impl Site {
    /// Puts the parts together, in their order.
    pub(crate) fn merge(environment: Arc<Environment>, parts: &[Part], assets: Vec<Asset>) -> Self {
        let dependencies = own_callbacks(&environment);
        let outputs = dependencies.iter().filter_map(|spec| spec.get("output")?.as_str());
        let written = outputs.flat_map(references).map(str::to_owned).collect();
        let mut merge = Merge { owners: HashMap::new(), dependencies, written, problems: BTreeMap::new() };
        merge.owners.insert(pages_output(), Owner::Pages);
        for page in PAGES {
            merge.owners.insert(format!("{}.rowData", page.table()), Owner::Rows(page));
            merge.owners.insert(format!("{}.rowData", page.main), Owner::Rows(page));
        }
        let panels = panels(parts);
        let run = panels.iter().find(|one| one.file.is_ours && one.panel.class == "ModelDetails" && one.is_alive());
        let run = run.map(|details| format!("{}-dropdown", details.panel.id));
        for (position, one) in panels.iter().enumerate() {
            if one.is_alive()
                && let Some(page) = PAGES.iter().find(|page| page.page == one.panel.page)
            {
                merge.panel(position, one, page, run.as_deref());
            }
        }
        for part in parts {
            merge.callbacks(part);
        }
        let pages = merge.pages(parts);
        let mut inline_scripts: Vec<InlineScript> = Vec::new();
        let mut names = HashSet::new();
        for part in parts {
            inline_scripts.extend(part.loaded.inline_scripts.iter().filter(|script| names.insert(script.name.clone())).cloned());
        }
        let dependencies = serde_json::to_vec(&merge.dependencies).unwrap_or_default().into();
        let Merge { owners, problems, .. } = merge;
        let mut site =
            Self { environment, dependencies, layouts: BTreeMap::new(), owners, panels, pages, inline_scripts, assets, problems };
        let themes: Vec<String> = site.environment.themes.iter().map(|theme| theme.name.clone()).collect();
        site.layouts = themes.into_iter().map(|theme| (theme.clone(), root(&site, &theme).to_string().into())).collect();
        site
    }

    /// The root of the page for a theme, as JSON.
    pub(crate) fn layout(&self, theme: &str) -> Bytes {
        self.layouts.get(theme).cloned().unwrap_or_else(|| root(self, theme).to_string().into())
    }

    /// The panel of that key.
    pub(crate) fn panel(&self, key: &str) -> Option<&SitePanel> {
        self.panels.iter().find(|one| one.key == key)
    }

    /// Name of the theme that a viewer has chosen, if there is one of that name.
    pub(crate) fn theme<'a>(&'a self, chosen: Option<&'a str>) -> &'a str {
        let known = |name: &&str| self.environment.themes.iter().any(|theme| theme.name == *name);
        let default =
            || self.environment.themes.iter().find(|theme| theme.is_default).map_or("dark", |theme| theme.name.as_str());
        chosen.filter(known).unwrap_or_else(default)
    }
}

/// Key of the callback that routes pages.
pub(crate) fn pages_output() -> String {
    ".._pages_content.children..._pages_store.data..".to_owned()
}

fn panels(parts: &[Part]) -> Vec<SitePanel> {
    let mut panels = Vec::new();
    for part in parts {
        for panel in &part.loaded.panels {
            let mut panel = panel.clone();
            if part.file.is_marked() {
                let mark = part.file.mark();
                mark.add_to_tree(&mut panel.layout);
                for (id, _) in &mut panel.properties {
                    let mut component = json!({ "type": "", "namespace": "", "props": { "id": id } });
                    mark.add_to_tree(&mut component);
                    *id = component["props"]["id"].take();
                }
            }
            if part.file.is_ours || panel.error.is_none() {
                rename_error(&mut panel.layout, part.file.key);
            }
            let key = format!("{:08x}-{}", part.file.key & 0xffff_ffff, panel.class);
            panels.push(SitePanel { file: Arc::clone(&part.file), panel, key, edition: part.edition });
        }
    }
    panels
}

/// Graphs that stand in for a crashed component all have one id.
fn rename_error(layout: &mut Json, key: u64) {
    if layout.pointer("/props/id").and_then(Json::as_str) == Some("error") {
        layout["props"]["id"] = json!(format!("error-{key:x}"));
    }
}

impl Merge {
    fn panel(&mut self, position: usize, one: &SitePanel, page: &ArtifactPage, run: Option<&str>) {
        let notice = format!("{}.children", one.notice());
        let references: Vec<String> = one.panel.properties.iter().map(|(id, property)| node::reference(id, property)).collect();
        let output = format!("..{}...{notice}..", references.join("..."));
        let mut inputs = vec![(page.table(), "selectedRows"), (one.stamp(), "data")];
        let mut state = Vec::new();
        if page.page == "model"
            && let Some(run) = run
        {
            let is_details = one.file.is_ours && one.panel.class == "ModelDetails";
            let entry = (run.to_owned(), "value");
            if is_details {
                state.push(entry);
                state.push((format!("{}-model-name", one.panel.id), "data"));
            } else {
                inputs.push(entry);
            }
        }
        let spec = node::callback(&output, &inputs, &state, false);
        self.add(output, spec, Owner::Update(position), &one.file);
        let suffixed: Vec<String> =
            references.iter().map(|reference| format!("{reference}@{}", one.key.replace('-', ""))).collect();
        let output = if let [only] = suffixed.as_slice() { only.clone() } else { format!("..{}..", suffixed.join("...")) };
        let spec = node::callback(&output, &[("workbench-theme-store".to_owned(), "data")], &[], true);
        self.add(output, spec, Owner::Theme(position), &one.file);
    }

    fn callbacks(&mut self, part: &Part) {
        for callback in &part.loaded.callbacks {
            let mut callback = callback.clone();
            let marked = part.file.is_marked();
            let original = callback.get("output").and_then(Json::as_str).unwrap_or_default().to_owned();
            if marked {
                part.file.mark().add_to_callback(&mut callback);
            }
            if callback.get("no_output").and_then(Json::as_bool) == Some(true) {
                // Its key says nothing but its inputs: two plugins that listen to the same would be one.
                callback.insert("output".to_owned(), json!(format!("{:08x}{original}", part.file.key & 0xffff_ffff)));
            }
            let output = callback.get("output").and_then(Json::as_str).unwrap_or_default().to_owned();
            let renamed = (output != original).then_some(original);
            let owner = Owner::Worker { file: Arc::clone(&part.file), output: renamed, marked };
            self.add(output, callback, owner, &part.file);
        }
    }

    fn add(&mut self, output: String, spec: Map<String, Json>, owner: Owner, file: &Arc<PanelFile>) {
        if let Some(twice) = references(&output).find(|reference| self.written.contains(*reference)) {
            let text = format!("two callbacks write `{twice}`; the first one keeps it, this one is left out");
            self.problem(file, text, "give one of them `allow_duplicate=True`, or another component id");
            return;
        }
        self.written.extend(references(&output).map(str::to_owned));
        self.owners.insert(output, owner);
        self.dependencies.push(spec);
    }

    fn pages(&mut self, parts: &[Part]) -> Vec<SitePage> {
        let mut pages: Vec<SitePage> = Vec::new();
        for part in parts {
            for page in &part.loaded.pages {
                let Some(path) = page.path.clone() else { continue };
                let ours = path == "/" || path == "/status" || PAGES.iter().any(|ours| ours.path == path);
                let other = pages.iter().find(|known| known.path == path);
                if ours || other.is_some() {
                    let who = other.map_or("a page of Pegboard", |other| other.page.class.as_str());
                    let text = format!("the path `{path}` of page `{}` belongs to {who} already", page.class);
                    self.problem(&part.file, text, "give the page another path");
                    continue;
                }
                let mut page = page.clone();
                if part.file.is_marked() {
                    part.file.mark().add_to_tree(&mut page.layout);
                }
                pages.push(SitePage { file: Arc::clone(&part.file), page, path });
            }
        }
        pages
    }

    fn problem(&mut self, file: &Arc<PanelFile>, text: String, remedy: &str) {
        let path = file.path.display().to_string();
        let message = Message { level: "error".to_owned(), text, file: Some(path), line: None, remedy: Some(remedy.to_owned()) };
        self.problems.entry(file.key).or_default().push(message);
    }
}

/// The single outputs of a key.
fn references(output: &str) -> impl Iterator<Item = &str> {
    let several = output.strip_prefix("..").and_then(|rest| rest.strip_suffix(".."));
    several.unwrap_or(output).split("...")
}

/// What the pages need that no plugin brings.
fn own_callbacks(environment: &Environment) -> Vec<Map<String, Json>> {
    let mut specs = vec![
        node::callback(
            &pages_output(),
            &[("_pages_location".to_owned(), "pathname"), ("_pages_location".to_owned(), "search")],
            &[],
            false,
        ),
        node::clientside("title", "_pages_dummy.children", &[("_pages_store".to_owned(), "data")], &[], false),
    ];
    let themes: Vec<_> = environment.themes.iter().map(|theme| (format!("pegboard-theme-{}", theme.name), "n_clicks")).collect();
    if !themes.is_empty() {
        specs.push(node::clientside("theme", "workbench-theme-store.data", &themes, &[], true));
    }
    for page in PAGES {
        let (table, loaded) = (page.table(), format!("{}_page_loaded", page.prefix));
        specs.push(node::callback(
            &format!("{table}.rowData"),
            &[(format!("{}_refresh", page.prefix), "n_intervals")],
            &[],
            true,
        ));
        specs.push(node::callback(&format!("{}.rowData", page.main), &[("main_refresh".to_owned(), "n_intervals")], &[], true));
        specs.push(node::clientside(
            "pick",
            &format!("{table}.selectedRows"),
            &[(table.clone(), "rowData")],
            &[(table.clone(), "selectedRows")],
            false,
        ));
        specs.push(node::clientside("remember", &format!("{loaded}.data"), &[(table, "selectedRows")], &[], true));
    }
    let tables: Vec<_> = PAGES.iter().map(|page| (page.main.to_owned(), "selectedRows")).collect();
    specs.push(node::clientside("open", "url.href@pegboard", &tables, &[], true));
    specs
}

/// Whether a file's ids have to be kept apart from others'.
pub(crate) fn needs_marks(loaded: &Loaded) -> bool {
    loaded.callbacks.iter().any(has_patterns) || loaded.panels.iter().any(|panel| panel.ids.iter().any(Json::is_object))
}

/// Whether a browser can take the new components in place of the old ones, without a new list of callbacks.
pub(crate) fn can_swap(old: &Loaded, new: &Loaded) -> bool {
    let alike = |one: &Panel, other: &Panel| {
        one.class == other.class
            && one.page == other.page
            && one.properties == other.properties
            && one.error.is_some() == other.error.is_some()
    };
    old.callbacks == new.callbacks
        && old.inline_scripts == new.inline_scripts
        && old.libraries == new.libraries
        && places(old) == places(new)
        && old.panels.len() == new.panels.len()
        && old.panels.iter().zip(&new.panels).all(|(one, other)| alike(one, other))
}

/// Where pages lie and how they are called.
fn places(loaded: &Loaded) -> Vec<(Option<&str>, Option<&str>, &str)> {
    loaded.pages.iter().map(|page| (page.path.as_deref(), page.path_template.as_deref(), page.name.as_str())).collect()
}

/// A panel's failure in words, for the list of plugins.
pub(crate) fn first_error(loaded: &Loaded) -> Option<PanelFailure> {
    let panels = loaded.panels.iter().filter_map(|panel| panel.error.clone());
    let pages = loaded.pages.iter().filter_map(|page| page.error.clone());
    let views = loaded.views.iter().filter_map(|view| view.error.clone());
    panels.chain(pages).chain(views).next()
}
