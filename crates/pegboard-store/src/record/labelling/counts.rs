//! How much is in a project. Counting looks at every row of it, so what was counted is remembered until something is written.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use pegboard_model::HubId;

use super::{cell, count, ordinal};
use crate::error::StoreError;
use crate::store::Store;

const ASSETS: &str = "select count(*) from assets where project = $1";
const BY_STAGE: &str = "select stage, count(*) from tasks where project = $1 group by stage";

/// What is remembered. Good only while all writes come this way: several servers on one database count each time.
#[derive(Default)]
pub(crate) struct Counts(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// Grows with every write, so that what was counted meanwhile is not kept.
    writes: u64,
    projects: HashMap<HubId, Counted>,
}

/// How much is in one project.
#[derive(Clone, Default)]
struct Counted {
    assets: u64,
    /// Stages without any task are not named.
    tasks: BTreeMap<String, u64>,
}

impl Counts {
    /// Forgets what was counted of these projects; without any: of all.
    pub(super) fn forget(&self, projects: Option<&[HubId]>) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.writes += 1;
        match projects {
            None => remembered.projects.clear(),
            Some(projects) => projects.iter().for_each(|project| drop(remembered.projects.remove(project))),
        }
    }

    fn find(&self, project: HubId) -> Result<Counted, u64> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.projects.get(&project).cloned().ok_or(remembered.writes)
    }

    fn keep(&self, project: HubId, counted: &Counted, writes: u64) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.writes == writes {
            remembered.projects.insert(project, counted.clone());
        }
    }
}

impl Store {
    /// How many assets the project has.
    pub async fn count_assets(&self, project: HubId) -> Result<u64, StoreError> {
        Ok(self.counted(project).await?.assets)
    }

    /// How many tasks the project has, in one stage or in all.
    pub async fn count_tasks(&self, project: HubId, stage: Option<&str>) -> Result<u64, StoreError> {
        let tasks = self.counted(project).await?.tasks;
        Ok(stage.map_or_else(|| tasks.values().sum(), |stage| tasks.get(stage).copied().unwrap_or(0)))
    }

    /// How many tasks each stage of the project has; stages without any are not named.
    pub async fn count_tasks_by_stage(&self, project: HubId) -> Result<BTreeMap<String, u64>, StoreError> {
        Ok(self.counted(project).await?.tasks)
    }

    async fn counted(&self, project: HubId) -> Result<Counted, StoreError> {
        let writes = match self.project_counts().map(|counts| counts.find(project)) {
            Some(Ok(counted)) => return Ok(counted),
            Some(Err(writes)) => writes,
            None => 0,
        };
        let assets = count(&self.read(ASSETS, vec![cell(project)]).await?)?;
        let rows = self.read(BY_STAGE, vec![cell(project)]).await?;
        let tasks = rows.iter().map(|row| Ok((row.text(0)?.to_owned(), ordinal(row, 1)?))).collect::<Result<_, StoreError>>()?;
        let counted = Counted { assets, tasks };
        if let Some(counts) = self.project_counts() {
            counts.keep(project, &counted, writes);
        }
        Ok(counted)
    }
}
