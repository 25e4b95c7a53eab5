//! Assets: imported with a task each, assigned to batches, deleted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use pegboard_model::{Asset, Error, HubId, OWN_FILE, Project, Storage, StorageProvider, Task, Timestamp};
use pegboard_store::{AssetQuery, LabelChange, Placed, StoreError};
use serde_json::{Value as Json, json};

use super::links::FilePlace;
use super::moves::{self, Mover};
use super::prelabels::Prelabel;
use super::{Labelling, answer, now};

/// Assets of one transaction.
const CHUNK: usize = 500;
/// Longest external id in characters.
const LONGEST_ID: usize = 2000;
/// Largest file that is taken from a local storage.
const LARGEST_FILE: u64 = 16 << 30;
/// Bytes of a file that its size in pixels is looked for in.
const HEAD: usize = 256 << 10;

/// One asset to make.
#[derive(Clone, Debug, Default)]
pub struct NewAsset {
    /// A URL, a text, or a file of ours as it is recorded.
    pub data: String,
    /// The client's own name; empty: taken from the data.
    pub external_id: String,
    /// Ids of batches of the project.
    pub batches: Vec<HubId>,
    /// Where the URL's credentials are.
    pub storage: Option<HubId>,
    /// Width and height and the like.
    pub metadata: Json,
    /// What the client gave along.
    pub context: Json,
    /// Shown beside it.
    pub attachments: Vec<Json>,
    /// An answer to begin with: `objects`, `classifications`, `relations`.
    pub prelabel: Option<Json>,
}

/// What became of an import.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Imported {
    /// Assets made.
    pub assets: usize,
    /// Tasks made.
    pub tasks: usize,
    /// Answers that were given along.
    pub prelabels: usize,
    /// Those of them that fit the project's classes.
    pub valid_prelabels: usize,
}

impl Labelling {
    /// Makes an asset and a task of each, all or none of a chunk of 500. An answer that does not fit is left out and counted.
    ///
    /// # Errors
    /// `asset-data`, `external-id`.
    pub async fn import_assets(
        &self,
        project: &Project,
        mut assets: Vec<NewAsset>,
        priority: i64,
        by: &str,
    ) -> Result<Imported, Error> {
        let at = now();
        let mut imported = Imported::default();
        // Everything is looked at before anything is written.
        for (position, asset) in assets.iter().enumerate() {
            check(position, asset)?;
        }
        self.take_in_local(project, &mut assets).await?;
        let mut assets = assets.into_iter();
        loop {
            let mut changes = Vec::with_capacity(CHUNK * 3);
            let mut for_plugins = false;
            for new in assets.by_ref().take(CHUNK) {
                let asset = self.new_asset(project, new.clone(), at, by).await?;
                let mut task = new_task(project, &asset, priority, at, by);
                if let Some(sent) = &new.prelabel {
                    imported.prelabels += 1;
                    let origin = answer::Origin { by: "import", stage: None, at };
                    if let Ok(read) = answer::read(sent, &project.schema, &origin) {
                        imported.valid_prelabels += 1;
                        (task.answer, task.is_prelabeled) = (read, true);
                    }
                }
                let left = moves::begin(project, &mut task, Mover { by: None, at, by_hand: false })?;
                for_plugins |= task.plugin.is_some();
                changes.push(LabelChange::AssetCreated(asset));
                changes.push(LabelChange::TaskCreated(task));
                changes.extend(left.into_iter().map(LabelChange::StageLeft));
                imported.assets += 1;
                imported.tasks += 1;
            }
            if changes.is_empty() {
                return Ok(imported);
            }
            self.store().apply_labels(changes).await?;
            if for_plugins {
                self.tell_arrival();
            }
        }
    }

    /// Files of local storages become files of ours: a folder of the server's machine has no URL.
    async fn take_in_local(&self, project: &Project, assets: &mut [NewAsset]) -> Result<(), Error> {
        let mut known: HashMap<HubId, Option<Storage>> = HashMap::new();
        for asset in assets {
            let Some(id) = asset.storage.filter(|_| !asset.data.contains("://") && !asset.data.starts_with(OWN_FILE)) else {
                continue;
            };
            let storage = match known.entry(id) {
                Entry::Occupied(found) => found.into_mut(),
                Entry::Vacant(place) => {
                    let found = self.store().storage(id).await?;
                    let is_meant = |storage: &Storage| {
                        storage.provider == StorageProvider::Local && storage.organization == project.organization
                    };
                    place.insert(found.filter(is_meant))
                }
            };
            let Some(storage) = storage else { continue };
            if asset.external_id.is_empty() {
                asset.external_id = name_of(&asset.data);
            }
            asset.data = self.take_in(project.id, storage, &asset.data, LARGEST_FILE).await?;
        }
        Ok(())
    }

    async fn new_asset(&self, project: &Project, new: NewAsset, at: Timestamp, by: &str) -> Result<Asset, Error> {
        let external_id = if new.external_id.is_empty() { name_of(&new.data) } else { new.external_id };
        let mut metadata = new.metadata;
        let measured = !metadata["width"].is_null() && !metadata["height"].is_null();
        if !measured
            && let Some(place) = new.data.strip_prefix(OWN_FILE).and_then(FilePlace::from_path)
            && let Some((width, height)) = self.picture_size(&place).await?
        {
            if !metadata.is_object() {
                metadata = json!({});
            }
            metadata["width"] = width.into();
            metadata["height"] = height.into();
        }
        Ok(Asset {
            id: HubId::random(),
            project: project.id,
            external_id,
            data: new.data,
            storage: new.storage,
            batches: new.batches,
            metadata,
            context: new.context,
            attachments: new.attachments,
            created_at: at,
            created_by: by.to_owned(),
        })
    }

    /// Width and height in pixels, when the file is a picture of ours.
    async fn picture_size(&self, place: &FilePlace) -> Result<Option<(usize, usize)>, Error> {
        use futures::StreamExt as _;
        let Some((_, mut pieces)) = self.store().read_object(&place.key()).await? else { return Ok(None) };
        let mut head = Vec::new();
        while head.len() < HEAD
            && let Some(piece) = pieces.next().await
        {
            head.extend_from_slice(&piece?);
        }
        head.truncate(HEAD);
        Ok(imagesize::blob_size(&head).ok().map(|size| (size.width, size.height)))
    }

    /// The asset of that id, if it is the project's.
    pub async fn asset(&self, project: HubId, id: HubId) -> Result<Option<Asset>, Error> {
        Ok(self.store().asset(id).await?.filter(|asset| asset.project == project))
    }

    /// Assets of the project from the `skipped`th on, and how many there are.
    pub async fn assets(&self, project: HubId, skipped: u64, most: usize) -> Result<(Vec<Placed<Asset>>, u64), Error> {
        Ok(self.store().assets_from(project, skipped, most).await?)
    }

    /// Assets of the project whose external id has this text in it, from the `skipped`th on, and how many there are.
    pub async fn assets_named(
        &self,
        project: HubId,
        part: &str,
        skipped: u64,
        most: usize,
    ) -> Result<(Vec<Placed<Asset>>, u64), Error> {
        Ok(self.store().assets_named(project, part, skipped, most).await?)
    }

    /// Assets of the project in this batch, from the `skipped`th on, and how many there are.
    pub async fn assets_in_batch(
        &self,
        project: HubId,
        batch: HubId,
        skipped: u64,
        most: usize,
    ) -> Result<(Vec<Placed<Asset>>, u64), Error> {
        Ok(self.store().assets_in_batch(project, batch, skipped, most).await?)
    }

    /// The assets of the project before and after this one.
    pub async fn neighbours(&self, project: HubId, asset: HubId) -> Result<(Option<HubId>, Option<HubId>), Error> {
        Ok(self.store().asset_neighbours(project, asset).await?)
    }

    /// How many assets the project has.
    pub async fn count_assets(&self, project: HubId) -> Result<u64, Error> {
        Ok(self.store().count_assets(project).await?)
    }

    /// All assets of the project that fit `query`, in pages of the store.
    pub async fn find_assets(&self, project: HubId, query: &AssetQuery) -> Result<Vec<Placed<Asset>>, Error> {
        const PAGE: usize = 1000;
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = self.store().assets(project, query, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.ordinal;
            let full = page.len() == PAGE;
            found.extend(page);
            // A page of a query may be short because other texts begin alike.
            if !full && *query == AssetQuery::All {
                return Ok(found);
            }
        }
    }

    /// Assets of the project behind a place, oldest first.
    pub async fn assets_after(&self, project: HubId, after: u64, most: usize) -> Result<Vec<Placed<Asset>>, Error> {
        Ok(self.store().assets(project, &AssetQuery::All, after, most).await?)
    }

    /// Tasks of these assets, by asset.
    pub async fn tasks_of(&self, assets: &[Placed<Asset>]) -> Result<HashMap<HubId, Vec<Task>>, Error> {
        let mut by_asset: HashMap<HubId, Vec<Task>> = HashMap::with_capacity(assets.len());
        let (Some(first), Some(last)) = (assets.first(), assets.last()) else { return Ok(by_asset) };
        // A page that lies close together is one question; scattered ones are a question each.
        let close = last.ordinal.abs_diff(first.ordinal) < 4 * assets.len() as u64 + 16;
        if close {
            let (low, high) = (first.ordinal.min(last.ordinal), first.ordinal.max(last.ordinal));
            for task in self.store().tasks_of_assets(first.record.project, low, high).await? {
                by_asset.entry(task.asset).or_default().push(task);
            }
            return Ok(by_asset);
        }
        for asset in assets {
            by_asset.insert(asset.record.id, self.store().tasks_of_asset(asset.record.id).await?);
        }
        Ok(by_asset)
    }

    /// Puts assets into batches, on top of those that they are in; how many assets of the project there were among them.
    pub async fn assign_batches(&self, project: &Project, assets: &[HubId], batches: &[HubId]) -> Result<usize, Error> {
        let mut changes = Vec::with_capacity(assets.len());
        for id in assets {
            let Some(mut asset) = self.asset(project.id, *id).await? else { continue };
            for batch in batches {
                if !asset.batches.contains(batch) {
                    asset.batches.push(*batch);
                }
            }
            changes.push(LabelChange::AssetChanged(asset));
        }
        let changed = changes.len();
        self.store().apply_labels(changes).await?;
        Ok(changed)
    }

    /// Adds attachments to assets of the project that have this external id or data; how many there were.
    pub async fn attach(&self, project: &Project, query: &AssetQuery, attachments: &[Json]) -> Result<usize, Error> {
        let found = self.find_assets(project.id, query).await?;
        let changed = found.len();
        let changes = found.into_iter().map(|mut asset| {
            asset.record.attachments.extend_from_slice(attachments);
            LabelChange::AssetChanged(asset.record)
        });
        self.store().apply_labels(changes.collect()).await?;
        Ok(changed)
    }

    /// Deletes assets of the project with their tasks and, when they are ours, their files; how many there were.
    pub async fn delete_assets(&self, project: HubId, assets: &[HubId]) -> Result<usize, Error> {
        let mut deleted = 0;
        for id in assets {
            let Some(asset) = self.asset(project, *id).await? else { continue };
            match self.store().apply_labels(vec![LabelChange::AssetDeleted(*id)]).await {
                Ok(()) => deleted += 1,
                Err(StoreError::NotFound(_)) => continue,
                Err(error) => return Err(error.into()),
            }
            let shared = !self.find_assets(project, &AssetQuery::Data(asset.data.clone())).await?.is_empty();
            if let Some(place) = asset.own_file().and_then(FilePlace::from_path)
                && !shared
            {
                self.store().delete_object(&place.key()).await?;
            }
        }
        Ok(deleted)
    }

    /// Assets of the project that a prelabel means.
    pub(crate) async fn meant(&self, project: HubId, prelabel: &Prelabel) -> Result<Vec<Placed<Asset>>, Error> {
        match (&prelabel.external_id, &prelabel.data) {
            (Some(external_id), _) => self.find_assets(project, &AssetQuery::ExternalId(external_id.clone())).await,
            (None, Some(data)) => self.find_assets(project, &AssetQuery::Data(data.clone())).await,
            (None, None) => Ok(Vec::new()),
        }
    }
}

/// A task at the very start, before its first move.
fn new_task(project: &Project, asset: &Asset, priority: i64, at: Timestamp, by: &str) -> Task {
    Task {
        id: HubId::random(),
        project: project.id,
        asset: asset.id,
        stage: String::new(),
        entered_at: at,
        status: "Todo".to_owned(),
        review_status: None,
        assignee: None,
        priority: priority.clamp(-1000, 1000),
        answer: pegboard_model::Answer::default(),
        brush_data_url: None,
        medical_brush_data_url: None,
        is_prelabeled: false,
        is_benchmark: false,
        duration_ms: 0,
        past_duration_ms: 0,
        plugin: None,
        plugin_note: None,
        revision: 0,
        created_at: at,
        created_by: by.to_owned(),
        updated_at: at,
        updated_by: None,
    }
}

fn check(position: usize, asset: &NewAsset) -> Result<(), Error> {
    if asset.data.trim().is_empty() {
        return Err(
            Error::invalid("asset-data", format!("asset {position} has no `data`")).hint("`data` is a URL, or the text itself")
        );
    }
    if asset.external_id.chars().count() > LONGEST_ID {
        return Err(Error::invalid(
            "external-id",
            format!("the external id of asset {position} is longer than {LONGEST_ID} characters"),
        ));
    }
    Ok(())
}

/// The last part of a URL's path, or the beginning of a text.
fn name_of(data: &str) -> String {
    let path = data.split(['?', '#']).next().unwrap_or(data);
    let name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path);
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_data() {
        for (data, name) in [
            ("https://x/y/a.png?b=c/d", "a.png"),
            ("pegboard:1/assets/2/b.png", "b.png"),
            ("https://x/", "https://x/"),
            ("hello", "hello"),
        ] {
            assert_eq!(name_of(data), name);
        }
    }
}
