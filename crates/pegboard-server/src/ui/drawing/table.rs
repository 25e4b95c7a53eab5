//! A result of the form `{"table": [{…}, …]}`, which says that it wants to be shown as one.

use serde::Serialize;
use serde_json::Value as Json;

/// Rows that are shown.
const ROWS: usize = 500;

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Rows that are not shown.
    more: usize,
}

#[derive(Debug, PartialEq, Serialize)]
struct Column {
    name: String,
    /// It stands at the right.
    is_number: bool,
}

/// None when the result is no table.
pub(super) fn drawn(result: &Json) -> Option<Table> {
    let all = result.get("table")?.as_array()?.iter().map(Json::as_object).collect::<Option<Vec<_>>>()?;
    let first = *all.first()?;
    // What a row is about comes first, its numbers after it.
    let mut names: Vec<&String> = first.keys().collect();
    names.sort_by_key(|name| first[name.as_str()].is_number());
    let columns = names.iter().map(|name| Column { name: (*name).clone(), is_number: first[name.as_str()].is_number() });
    let cell = |value: Option<&Json>| match value {
        Some(Json::String(text)) => text.clone(),
        Some(Json::Number(number)) if number.is_f64() => format!("{:.4}", number.as_f64().unwrap_or_default()),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let rows = all.iter().take(ROWS).map(|row| names.iter().map(|name| cell(row.get(name.as_str()))).collect()).collect();
    Some(Table { columns: columns.collect(), rows, more: all.len().saturating_sub(ROWS) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_stand_behind_words() {
        let table = drawn(&json!({ "table": [{ "score": 0.912_345, "model": "tree" }, { "model": "<b>" }] })).unwrap();
        assert_eq!(table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["model", "score"]);
        assert_eq!(table.rows, [["tree", "0.9123"], ["<b>", ""]]);
        for no_table in [json!(null), json!({ "table": [] }), json!({ "table": [1] }), json!({ "table": 1 }), json!([])] {
            assert_eq!(drawn(&no_table), None);
        }
    }
}
