//! Assets: by identity, and in pages of a project.

use pegboard_model::{Asset, HubId};

use super::super::hub::identity;
use super::super::integer;
use super::{cell, count, limit, one, placed, start, storable};
use crate::error::StoreError;
use crate::labelling::{AssetQuery, Placed};
use crate::store::Store;

const ONE: &str = "select document from assets where id = $1";
const ALL: &str = "select document, id, ordinal from assets where project = $1 and ordinal > $2 order by ordinal limit $3";
const FROM: &str = "select document, id, ordinal from assets where project = $1 order by ordinal limit $2 offset $3";
const FROM_END: &str = "select document, id, ordinal from assets where project = $1 order by ordinal desc limit $2 offset $3";
const BY_EXTERNAL_ID: &str = "select document, id, ordinal from assets \
     where project = $1 and external_start = $2 and ordinal > $3 order by ordinal limit $4";
const BY_DATA: &str = "select document, id, ordinal from assets \
     where project = $1 and data_start = $2 and ordinal > $3 order by ordinal limit $4";
/// As it is written, or letters large and small alike.
const NAMED: &str = "select document, id, ordinal from assets \
     where project = $1 and (external_start like $2 escape '!' or lower(external_start) like $3 escape '!') \
     order by ordinal limit $4 offset $5";
/// An identity stands in a document between quotes, and nowhere else by chance.
const IN_BATCH: &str = "select document, id, ordinal from assets \
     where project = $1 and document like $2 order by ordinal limit $3 offset $4";
const COUNT_NAMED: &str = "select count(*) from assets \
     where project = $1 and (external_start like $2 escape '!' or lower(external_start) like $3 escape '!')";
const COUNT_IN_BATCH: &str = "select count(*) from assets where project = $1 and document like $2";
const BEFORE: &str = "select id from assets where project = $1 and ordinal < (select ordinal from assets where id = $2) \
     order by ordinal desc limit 1";
const AFTER: &str = "select id from assets where project = $1 and ordinal > (select ordinal from assets where id = $2) \
     order by ordinal limit 1";

impl Store {
    /// The asset of that id.
    pub async fn asset(&self, id: HubId) -> Result<Option<Asset>, StoreError> {
        one(&self.read(ONE, vec![cell(id)]).await?, "asset")
    }

    /// Assets of the project that fit, behind a place, oldest first. A page may be short though more follows: the caller goes on
    /// behind the last place until a page is empty.
    pub async fn assets(
        &self,
        project: HubId,
        query: &AssetQuery,
        after: u64,
        most: usize,
    ) -> Result<Vec<Placed<Asset>>, StoreError> {
        let (after, most) = (integer(after).into(), limit(most));
        match query {
            AssetQuery::All => placed(&self.read(ALL, vec![cell(project), after, most]).await?),
            AssetQuery::ExternalId(text) => {
                let mut found: Vec<Placed<Asset>> =
                    placed(&self.read(BY_EXTERNAL_ID, vec![cell(project), start(text), after, most]).await?)?;
                found.retain(|asset| asset.record.external_id == *text);
                Ok(found)
            }
            AssetQuery::Data(text) => {
                let mut found: Vec<Placed<Asset>> =
                    placed(&self.read(BY_DATA, vec![cell(project), start(text), after, most]).await?)?;
                found.retain(|asset| asset.record.data == *text);
                Ok(found)
            }
        }
    }

    /// Assets of the project after so many of them, oldest first; and how many there are. Counted off from the nearer end, so the
    /// last page is as quick as the first; while assets are added or deleted, a page may repeat or miss a few.
    pub async fn assets_from(&self, project: HubId, skipped: u64, most: usize) -> Result<(Vec<Placed<Asset>>, u64), StoreError> {
        let total = self.count_assets(project).await?;
        let behind = total.saturating_sub(skipped);
        if skipped <= behind {
            let rows = self.read(FROM, vec![cell(project), limit(most), integer(skipped).into()]).await?;
            return Ok((placed(&rows)?, total));
        }
        let most = behind.min(most as u64);
        let offset = integer(behind - most);
        let mut page = placed(&self.read(FROM_END, vec![cell(project), integer(most).into(), offset.into()]).await?)?;
        page.reverse();
        Ok((page, total))
    }

    /// Assets of the project with this text somewhere in the beginning (200 characters) of their external id, letters large or
    /// small, after so many of them, oldest first; and how many there are. Looks at the name of every asset.
    pub async fn assets_named(
        &self,
        project: HubId,
        part: &str,
        skipped: u64,
        most: usize,
    ) -> Result<(Vec<Placed<Asset>>, u64), StoreError> {
        let pattern = format!("%{}%", storable(part).replace('!', "!!").replace('%', "!%").replace('_', "!_"));
        let mut cells = vec![cell(project), pattern.as_str().into(), pattern.to_ascii_lowercase().into()];
        let total = count(&self.read(COUNT_NAMED, cells.clone()).await?)?;
        cells.extend([limit(most), integer(skipped).into()]);
        Ok((placed(&self.read(NAMED, cells).await?)?, total))
    }

    /// Assets of the project in this batch, after so many of them, oldest first; and how many there are. Looks at every asset.
    pub async fn assets_in_batch(
        &self,
        project: HubId,
        batch: HubId,
        skipped: u64,
        most: usize,
    ) -> Result<(Vec<Placed<Asset>>, u64), StoreError> {
        let mut cells = vec![cell(project), format!("%\"{batch}\"%").into()];
        let total = count(&self.read(COUNT_IN_BATCH, cells.clone()).await?)?;
        cells.extend([limit(most), integer(skipped).into()]);
        Ok((placed(&self.read(IN_BATCH, cells).await?)?, total))
    }

    /// The assets of the project before and after this one.
    pub async fn asset_neighbours(&self, project: HubId, id: HubId) -> Result<(Option<HubId>, Option<HubId>), StoreError> {
        let read = |rows: Vec<super::Row>| rows.first().map(|row| identity(row, 0)).transpose();
        let before = read(self.read(BEFORE, vec![cell(project), cell(id)]).await?)?;
        Ok((before, read(self.read(AFTER, vec![cell(project), cell(id)]).await?)?))
    }
}
