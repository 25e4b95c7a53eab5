//! How much there is of everything, for the people who run the server.

use crate::error::StoreError;
use crate::store::Store;

/// What is counted, in the order of the columns.
const NOUNS: [&str; 8] = ["runs", "sessions", "projects", "assets", "tasks", "artifacts", "events", "plugins"];
const COUNT: &str = "select (select count(*) from runs), (select count(*) from hub_sessions), (select count(*) from projects), \
     (select count(*) from assets), (select count(*) from tasks), (select count(*) from artifacts), (select count(*) from events), \
     (select count(*) from plugins) + (select count(*) from hub_plugins)";

impl Store {
    /// Records by noun. Reads an index of each, so nothing for every request.
    pub async fn counts(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        let rows = self.read(COUNT, Vec::new()).await?;
        let Some(row) = rows.first() else { return Ok(Vec::new()) };
        let count = |(column, noun)| Ok((noun, row.integer(column).map(|count| u64::try_from(count).unwrap_or(0))?));
        NOUNS.into_iter().enumerate().map(count).collect()
    }
}
