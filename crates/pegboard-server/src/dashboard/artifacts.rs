//! The pages of the catalog's artifacts, and their tables.

use pegboard_model::{Artifact, ArtifactKind, Error};
use serde_json::{Value as Json, json};

use crate::app::App;

/// Most rows of a table; whoever has more finds them by the API.
const ROWS: usize = 5_000;
/// Rows that are read at once.
const READ: usize = 500;
/// Pixels.
const HEADER: usize = 36;
const ROW: usize = 25;
const SCROLLBAR: usize = 20;
const TALLEST: usize = 320;

/// One page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArtifactPage {
    pub(crate) kind: ArtifactKind,
    /// Value of `PluginPage`.
    pub(crate) page: &'static str,
    pub(crate) path: &'static str,
    pub(crate) title: &'static str,
    /// What its ids begin with.
    pub(crate) prefix: &'static str,
    /// The table of the main page.
    pub(crate) main: &'static str,
    columns: &'static [&'static str],
}

/// All of them, in the order of the menu.
pub(crate) const PAGES: &[ArtifactPage] = &[
    ArtifactPage {
        kind: ArtifactKind::DataSource,
        page: "data_source",
        path: "/data_sources",
        title: "Data Sources",
        prefix: "data_sources",
        main: "main_data_sources",
        columns: &["Name", "Health", "Owner", "Database", "Modified", "Columns", "Input", "Tags"],
    },
    ArtifactPage {
        kind: ArtifactKind::FeatureSet,
        page: "feature_set",
        path: "/feature_sets",
        title: "Feature Sets",
        prefix: "feature_sets",
        main: "main_feature_sets",
        columns: &[
            "Feature Group",
            "Health",
            "Owner",
            "Created",
            "Modified",
            "Num Columns",
            "Input",
            "Online",
            "Offline",
            "Tags",
        ],
    },
    ArtifactPage {
        kind: ArtifactKind::Model,
        page: "model",
        path: "/models",
        title: "Models",
        prefix: "models",
        main: "main_models",
        columns: &["Model Group", "Health", "Owner", "Type", "Framework", "Created", "Modified", "Input", "Description", "Tags"],
    },
    ArtifactPage {
        kind: ArtifactKind::Endpoint,
        page: "endpoint",
        path: "/endpoints",
        title: "Endpoints",
        prefix: "endpoints",
        main: "main_endpoints",
        columns: &[
            "Name",
            "Health",
            "Owner",
            "Instance",
            "Created",
            "Modified",
            "Input",
            "Status",
            "Config",
            "Variant",
            "Capture",
            "Samp(%)",
            "Tags",
            "Monitored",
        ],
    },
    ArtifactPage {
        kind: ArtifactKind::Graph,
        page: "graph",
        path: "/graphs",
        title: "Graphs",
        prefix: "graphs",
        main: "main_graphs",
        columns: &["Name", "Health", "Owner", "Created", "Modified", "Input", "Tags"],
    },
];

impl ArtifactPage {
    pub(crate) fn table(&self) -> String {
        format!("{}_table", self.prefix)
    }

    /// Rows as the grid takes them, the one that changed last first.
    pub(crate) async fn rows(&self, app: &App) -> Result<Vec<Json>, Error> {
        let mut artifacts: Vec<Artifact> = Vec::new();
        loop {
            let after = artifacts.last().map(|last| last.name.to_string()).unwrap_or_default();
            let more = app.store.artifacts(self.kind, &after, READ).await?;
            let count = more.len();
            artifacts.extend(more);
            if count < READ || artifacts.len() >= ROWS {
                break;
            }
        }
        artifacts.sort_by_key(|artifact| std::cmp::Reverse(artifact.modified_at));
        Ok(artifacts.iter().enumerate().map(|(number, artifact)| self.row(artifact, number)).collect())
    }

    fn row(&self, artifact: &Artifact, number: usize) -> Json {
        let mut row = serde_json::Map::new();
        for column in self.columns {
            row.insert((*column).to_owned(), cell(artifact, column));
        }
        row.insert("name".to_owned(), json!(artifact.name.to_string()));
        row.insert("id".to_owned(), json!(number));
        Json::Object(row)
    }

    /// The grid, with its rows.
    pub(crate) fn grid(&self, id: &str, rows: Vec<Json>, columns: usize) -> Json {
        let shown = self.columns.iter().take(columns);
        let mut definitions: Vec<Json> = shown.map(|name| json!({ "headerName": name, "field": name })).collect();
        for hidden in ["name", "id"] {
            definitions.push(json!({ "headerName": hidden, "field": hidden, "hide": true }));
        }
        // A table of few columns is a way in, and narrow: no room for filters.
        let is_whole = id == self.table();
        let height = (HEADER + ROW * rows.len().max(1) + SCROLLBAR).min(TALLEST);
        json!({ "type": "AgGrid", "namespace": "dash_ag_grid", "props": {
            "id": id,
            "columnDefs": definitions,
            "rowData": rows,
            "getRowId": "params.data.name",
            "className": "pegboard-grid",
            "defaultColDef": { "sortable": true, "filter": is_whole, "resizable": true },
            "dashGridOptions": {
                "rowSelection": { "mode": "singleRow", "checkboxes": false, "enableClickSelection": true },
                "suppressCellFocus": true,
                "rowHeight": ROW,
                "headerHeight": HEADER,
                "autoSizeStrategy": {
                    "type": "fitCellContents",
                    "defaultMaxWidth": 400,
                    "columnLimits": [{ "colId": "Health", "maxWidth": 100 }, { "colId": "Owner", "maxWidth": 200 }],
                },
            },
            "style": { "height": format!("{height}px") },
        } })
    }
}

fn cell(artifact: &Artifact, column: &str) -> Json {
    let fact = |key: &str| match artifact.facts.get(key) {
        Some(Json::String(text)) => json!(text),
        Some(other) if !other.is_null() => json!(other.to_string()),
        _ => json!("-"),
    };
    let columns = || artifact.file("data").map_or(0, |file| file.columns.len());
    match column {
        "Name" | "Feature Group" | "Model Group" => json!(artifact.name.to_string()),
        "Health" => json!(health(&artifact.health)),
        "Owner" => json!(artifact.owner),
        "Database" => json!("workbench"),
        "Created" => json!(minute(&artifact.created_at.to_string())),
        "Modified" => json!(minute(&artifact.modified_at.to_string())),
        "Columns" | "Num Columns" => json!(columns()),
        "Input" => json!(artifact.inputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        "Tags" => json!(artifact.tags.join(", ")),
        "Type" => fact("model_type"),
        "Framework" => fact("framework"),
        "Description" => json!(artifact.description),
        "Status" => json!(artifact.status),
        "Online" => json!(artifact.facts.get("online").and_then(Json::as_bool).unwrap_or(false).to_string()),
        "Offline" => json!(artifact.facts.get("offline").and_then(Json::as_bool).unwrap_or(true).to_string()),
        "Samp(%)" => fact("sampling"),
        other => fact(&other.to_lowercase()),
    }
}

/// `2026-11-21 06:40` of a time.
fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

/// Health tags as symbols.
fn health(tags: &[String]) -> String {
    if tags.is_empty() {
        return "🟢".to_owned();
    }
    let symbol = |tag: &String| match tag.as_str() {
        "failed" | "5xx_errors" | "no_model" => "🔴",
        "5xx_errors_min" => "🟠",
        "no_endpoint" => "🟡",
        "model_type_unknown" => "⚪",
        "model_not_found" | "unknown_error" => "⚫",
        "metrics_needed" => "🟣",
        "needs_onboard" => "🔵",
        "healthy" => "🟢",
        "no_activity" => "➖",
        _ => "",
    };
    let symbols: String =
        tags.iter().map(|tag| if symbol(tag).is_empty() { tag.clone() } else { symbol(tag).to_owned() }).collect();
    if tags == ["no_activity"] { format!("🟢{symbols}") } else { symbols }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_told_by_symbols() {
        for (tags, shown) in [(&[][..], "🟢"), (&["no_activity"], "🟢➖"), (&["failed", "no_model"], "🔴🔴"), (&["odd"], "odd")]
        {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            assert_eq!(health(&tags), shown);
        }
        assert_eq!(minute("2026-11-21T06:40:11.123Z"), "2026-11-21 06:40");
    }
}
