//! Projects: made, changed, copied, deleted.

use pegboard_model::{Batch, CategorySchema, Error, HubId, LabelStage, Member, Project, User};
use pegboard_store::StoreError;
use serde_json::{Map, Value as Json};

use super::{Labelling, now, project_not_found};

/// Longest name or description in characters.
const LONGEST_TEXT: usize = 4000;
/// How often a change is tried again when somebody else was faster.
const TRIES: usize = 50;
/// Projects that are read together when one is looked for by its name.
const NAMES_PAGE: usize = 500;
/// Kinds of projects that clients know.
const KINDS: &[&str] = &["ango", "pct", "iframe"];
/// Roles that a member can have.
pub const ROLES: &[&str] = &["Manager", "Lead", "Reviewer", "Labeler"];

/// What a copy of a project takes along. Never assets, tasks and answers.
#[derive(Clone, Copy, Debug)]
pub struct CopyParts {
    /// Classes.
    pub schema: bool,
    /// Members.
    pub members: bool,
    /// Batches, with identities of their own.
    pub batches: bool,
    /// Stages.
    pub stages: bool,
    /// Everything in `settings`.
    pub settings: bool,
}

impl Labelling {
    /// Makes a project with the default stages.
    ///
    /// # Errors
    /// `project-name`, `project-type`.
    pub async fn create_project(&self, name: &str, description: &str, kind: &str, owner: &User) -> Result<Project, Error> {
        let name = checked_name(name)?;
        if !KINDS.contains(&kind) {
            return Err(Error::invalid("project-type", format!("`{kind}` is not a type of project"))
                .hint("one of `ango`, `pct` and `iframe`"));
        }
        let created_at = now();
        let project = Project {
            id: HubId::random(),
            organization: owner.organization,
            name,
            description: description.chars().take(LONGEST_TEXT).collect(),
            kind: kind.to_owned(),
            owner: owner.id,
            schema: CategorySchema::default(),
            stages: LabelStage::defaults(),
            batches: Vec::new(),
            members: Vec::new(),
            settings: Map::new(),
            revision: 0,
            created_at,
            updated_at: created_at,
            deleted_at: None,
        };
        self.store().create_project(&project).await?;
        Ok(project)
    }

    /// The organization's project with this id, or its only one with this name.
    ///
    /// # Errors
    /// `project-not-found`, also for another organization's, `project-ambiguous`.
    pub async fn project_called(&self, organization: HubId, word: &str) -> Result<Project, Error> {
        if let Ok(id) = word.parse() {
            let project = self.project(id).await?;
            return if project.organization == organization { Ok(project) } else { Err(project_not_found(word)) };
        }
        let (mut found, mut skipped) = (None, 0);
        loop {
            let page = self.store().projects(organization, skipped, NAMES_PAGE).await?;
            skipped += page.len() as u64;
            let is_last = page.len() < NAMES_PAGE;
            for project in page.into_iter().filter(|project| project.name == word) {
                if found.replace(project).is_some() {
                    return Err(Error::conflict("project-ambiguous", format!("several projects are named `{word}`"))
                        .hint("say its id; `pegboard project ls` lists them"));
                }
            }
            if is_last {
                return found.ok_or_else(|| project_not_found(word));
            }
        }
    }

    /// The organization's projects in the order in which they were made, and how many there are.
    pub async fn projects(&self, organization: HubId, skipped: u64, most: usize) -> Result<(Vec<Project>, u64), Error> {
        let page = self.store().projects(organization, skipped, most).await?;
        Ok((page, self.store().count_projects(organization).await?))
    }

    /// Projects with this text in name or description, letters large or small, from the `skipped`th on, and how many there are.
    pub async fn projects_named(
        &self,
        organization: HubId,
        part: &str,
        skipped: u64,
        most: usize,
    ) -> Result<(Vec<Project>, u64), Error> {
        let part = part.to_lowercase();
        let (mut found, mut total, mut read) = (Vec::new(), 0, 0);
        loop {
            let page = self.store().projects(organization, read, NAMES_PAGE).await?;
            read += page.len() as u64;
            let is_last = page.len() < NAMES_PAGE;
            let fits = |text: &str| text.to_lowercase().contains(&part);
            for project in page.into_iter().filter(|project| fits(&project.name) || fits(&project.description)) {
                if total >= skipped && found.len() < most {
                    found.push(project);
                }
                total += 1;
            }
            if is_last {
                return Ok((found, total));
            }
        }
    }

    /// Changes the project as it is stored now; the change may be tried several times. What it returns, and the project.
    pub async fn change_project<T>(
        &self,
        id: HubId,
        mut change: impl FnMut(&mut Project) -> Result<T, Error>,
    ) -> Result<(Project, T), Error> {
        for _ in 0..TRIES {
            let mut project = self.project(id).await?;
            let outcome = change(&mut project)?;
            project.updated_at = now();
            match self.store().update_project(&project).await {
                Ok(revision) => {
                    project.revision = revision;
                    return Ok((project, outcome));
                }
                Err(StoreError::ChangedMeanwhile(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::ChangedMeanwhile(id.to_string()).into())
    }

    /// Replaces the classes; `seen`: only when the project still has this revision.
    ///
    /// # Errors
    /// `changed-meanwhile`.
    pub async fn set_schema(&self, id: HubId, sent: &Json, seen: Option<u64>) -> Result<Project, Error> {
        let schema = super::schema::read(sent)?;
        let (project, ()) = self
            .change_project(id, |project| {
                check_revision(project, seen)?;
                project.schema.clone_from(&schema);
                Ok(())
            })
            .await?;
        Ok(project)
    }

    /// Replaces the stages; `seen`: only when the project still has this revision. Stages with tasks in them stay.
    ///
    /// # Errors
    /// `changed-meanwhile`, `stage-in-use`.
    pub async fn set_stages(&self, id: HubId, stages: Vec<LabelStage>, seen: Option<u64>) -> Result<Project, Error> {
        check_revision(&self.project(id).await?, seen)?;
        for (stage, tasks) in self.store().count_tasks_by_stage(id).await? {
            if !stages.iter().any(|new| new.id == stage) {
                return Err(Error::conflict("stage-in-use", format!("stage `{stage}` cannot go: {tasks} tasks are in it"))
                    .hint("requeue them to another stage first"));
            }
        }
        let (project, ()) = self
            .change_project(id, |project| {
                check_revision(project, seen)?;
                project.stages.clone_from(&stages);
                Ok(())
            })
            .await?;
        Ok(project)
    }

    /// Makes a batch; the one of that name when there is one.
    ///
    /// # Errors
    /// `batch-name`.
    pub async fn create_batch(&self, id: HubId, name: &str) -> Result<(Project, Batch), Error> {
        let name = checked_batch(name)?;
        let new = Batch { id: HubId::random(), name };
        self.change_project(id, |project| {
            if let Some(batch) = project.batches.iter().find(|batch| batch.name == new.name) {
                return Ok(batch.clone());
            }
            project.batches.push(new.clone());
            Ok(new.clone())
        })
        .await
    }

    /// Replaces the list of batches: those with a known id keep it, others are new.
    ///
    /// # Errors
    /// `batch-name`.
    pub async fn set_batches(&self, id: HubId, wanted: &[(Option<HubId>, String)]) -> Result<Project, Error> {
        let mut batches: Vec<Batch> = Vec::with_capacity(wanted.len());
        for (id, name) in wanted {
            let name = checked_batch(name)?;
            if !batches.iter().any(|batch| batch.name == name) {
                batches.push(Batch { id: id.unwrap_or_else(HubId::random), name });
            }
        }
        let (project, ()) = self
            .change_project(id, |project| {
                let mut batches = batches.clone();
                for batch in &mut batches {
                    // A name that exists already is the batch that exists already, whatever the client said.
                    if let Some(known) = project.batches.iter().find(|known| known.name == batch.name) {
                        batch.id = known.id;
                    }
                }
                project.batches = batches;
                Ok(())
            })
            .await?;
        Ok(project)
    }

    /// Adds members, or changes their role. Users that do not exist are made.
    ///
    /// # Errors
    /// `member-role`, `email`.
    pub async fn add_members(&self, id: HubId, emails: &[String], role: &str) -> Result<Project, Error> {
        if !ROLES.contains(&role) {
            return Err(Error::invalid("member-role", format!("`{role}` is not a role in a project"))
                .hint("one of Manager, Lead, Reviewer, Labeler"));
        }
        let organization = self.project(id).await?.organization;
        let mut members = Vec::with_capacity(emails.len());
        for email in emails {
            let user = self.user_of(organization, email).await?;
            members.push(Member { email: user.email, role: role.to_owned() });
        }
        let (project, ()) = self
            .change_project(id, |project| {
                for member in &members {
                    project.members.retain(|known| known.email != member.email);
                    project.members.push(member.clone());
                }
                Ok(())
            })
            .await?;
        Ok(project)
    }

    /// Copies a project without its assets.
    pub async fn copy_project(&self, id: HubId, parts: CopyParts, owner: &User) -> Result<Project, Error> {
        let source = self.project(id).await?;
        let name: String = source.name.chars().take(LONGEST_TEXT / 2).collect();
        let copy = self.create_project(&format!("{name} copy"), &source.description, &source.kind, owner).await?;
        let (copy, ()) = self
            .change_project(copy.id, |copy| {
                if parts.schema {
                    copy.schema.clone_from(&source.schema);
                }
                if parts.members {
                    copy.members.clone_from(&source.members);
                }
                if parts.batches {
                    copy.batches =
                        source.batches.iter().map(|batch| Batch { id: HubId::random(), name: batch.name.clone() }).collect();
                }
                if parts.stages {
                    copy.stages.clone_from(&source.stages);
                }
                if parts.settings {
                    copy.settings.clone_from(&source.settings);
                }
                Ok(())
            })
            .await?;
        Ok(copy)
    }

    /// Nobody sees the project any more; its data stays until it is purged.
    pub async fn delete_project(&self, id: HubId) -> Result<(), Error> {
        let deleted_at = Some(now());
        self.change_project(id, |project| {
            project.deleted_at = deleted_at;
            Ok(())
        })
        .await
        .map(drop)
    }

    /// Deletes the project, everything in it, and its files.
    ///
    /// # Errors
    /// `project-not-found`, `confirm-name` when the name given is not the project's.
    pub async fn purge_project(&self, id: HubId, name: &str) -> Result<(), Error> {
        let project = self.project(id).await.map_err(|_| project_not_found(&id.to_string()))?;
        if project.name != name {
            return Err(Error::invalid("confirm-name", format!("`{name}` is not the name of project `{id}`"))
                .hint("give the project's name to say that you mean it"));
        }
        self.store().purge_project(id).await?;
        for key in self.store().object_keys(&format!("files/{id}/")).await? {
            self.store().delete_object(&key).await?;
        }
        Ok(())
    }
}

/// Whether the project is what the caller saw, when they say what that was.
fn check_revision(project: &Project, seen: Option<u64>) -> Result<(), Error> {
    match seen {
        Some(seen) if seen != project.revision => Err(StoreError::ChangedMeanwhile(project.id.to_string()).into()),
        _ => Ok(()),
    }
}

fn checked_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_TEXT || name.contains('\0') {
        return Err(Error::invalid("project-name", "a project needs a name of 1 to 4000 characters"));
    }
    Ok(name.to_owned())
}

fn checked_batch(name: &str) -> Result<String, Error> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 500 || name.contains('\0') {
        return Err(Error::invalid("batch-name", "a batch needs a name of 1 to 500 characters"));
    }
    Ok(name.to_owned())
}
