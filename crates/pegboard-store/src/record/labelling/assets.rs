//! Assets: by identity, and in pages of a project.

use pegboard_model::{Asset, HubId};

use super::super::integer;
use super::{cell, count, limit, one, placed, start};
use crate::error::StoreError;
use crate::labelling::{AssetQuery, Placed};
use crate::store::Store;

const ONE: &str = "select document from assets where id = $1";
const ALL: &str = "select document, id, ordinal from assets where project = $1 and ordinal > $2 order by ordinal limit $3";
const FROM: &str = "select document, id, ordinal from assets where project = $1 order by ordinal limit $2 offset $3";
const BY_EXTERNAL_ID: &str = "select document, id, ordinal from assets \
     where project = $1 and external_start = $2 and ordinal > $3 order by ordinal limit $4";
const BY_DATA: &str = "select document, id, ordinal from assets \
     where project = $1 and data_start = $2 and ordinal > $3 order by ordinal limit $4";
const COUNT: &str = "select count(*) from assets where project = $1";

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

    /// Assets of the project after so many of them, oldest first.
    pub async fn assets_from(&self, project: HubId, skipped: u64, most: usize) -> Result<Vec<Placed<Asset>>, StoreError> {
        placed(&self.read(FROM, vec![cell(project), limit(most), integer(skipped).into()]).await?)
    }

    /// How many assets the project has.
    pub async fn count_assets(&self, project: HubId) -> Result<u64, StoreError> {
        count(&self.read(COUNT, vec![cell(project)]).await?)
    }
}
