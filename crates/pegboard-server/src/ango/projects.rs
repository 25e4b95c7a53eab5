//! Projects: listed, made, changed, copied, deleted; their batches, members and settings.

use axum::extract::{FromRequest as _, Multipart, Path, Request, State};
use axum::response::IntoResponse as _;
use pegboard_hub::labelling::FileKind;
use pegboard_hub::labelling::projects::CopyParts;
use pegboard_model::{Error, HubId, OWN_FILE, Project};
use serde_json::{Value as Json, json};

use super::answer::{Answer, Refused, not_offered, success};
use super::asked::{Asked, Sent};
use super::files::{place_and_link, take};
use super::wire;
use crate::app::App;

/// Largest file of instructions that is taken; they are read by people.
const LARGEST_INSTRUCTIONS: usize = 64 << 20;

/// A page of projects that the caller may work on.
pub(super) async fn list(asked: Asked) -> Answer {
    let (skipped, most) = asked.query.page()?;
    let labelling = &asked.app.labelling;
    let (page, total) = if asked.caller.project.is_none() && asked.caller.may_administer().is_ok() {
        labelling.projects(asked.organization(), skipped, most).await?
    } else {
        // Those of a member are few, and found only by looking at all.
        let (all, _) = labelling.projects(asked.organization(), 0, 100_000).await?;
        let allowed: Vec<Project> = all.into_iter().filter(|project| asked.caller.may(project).is_ok()).collect();
        let total = allowed.len() as u64;
        (allowed.into_iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX)).take(most).collect(), total)
    };
    let records: Vec<Json> = page.iter().map(|project| wire::project(project, 0)).collect();
    success(json!({ "projects": records, "total": total }))
}

/// One project with everything that is set in it.
pub(super) async fn show(Path(id): Path<String>, asked: Asked) -> Answer {
    let project = asked.project(&id).await?;
    answer(&asked, &project).await
}

async fn answer(asked: &Asked, project: &Project) -> Answer {
    let assets = asked.app.labelling.count_assets(project.id).await?;
    success(json!({ "project": wire::project(project, assets) }))
}

/// Makes a project.
pub(super) async fn create(asked: Asked, sent: Sent) -> Answer {
    whole_organization(&asked)?;
    let (name, description) = (sent.required("name")?, sent.text("description").unwrap_or_default());
    let kind = sent.text("type").unwrap_or("ango");
    let project = asked.app.labelling.create_project(name, description, kind, &asked.caller.user).await?;
    answer(&asked, &project).await
}

/// Changes classes, stages, or other settings: whichever the body has.
pub(super) async fn change(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let mut project = asked.project(&id).await?;
    let Some(body) = sent.0.as_object().filter(|body| !body.is_empty()) else {
        return Err(Error::invalid("body", "the request's body has nothing to change").into());
    };
    let labelling = &asked.app.labelling;
    // Everything is read before anything is written.
    let stages = body.get("stages").map(wire::read_stages).transpose()?;
    if let Some(schema) = body.get("categorySchema") {
        project = labelling.set_schema(project.id, schema, None).await?;
    }
    if let Some(stages) = stages {
        project = labelling.set_stages(project.id, stages, None).await?;
    }
    const OWN: &[&str] = &["categorySchema", "stages"];
    const FIXED: &[&str] = &["_id", "organization", "owner", "createdAt", "updatedAt", "batches", "tags", "assignedTo", "type"];
    let rest: Vec<_> = body.iter().filter(|(key, _)| !OWN.contains(&key.as_str())).collect();
    if let Some((key, _)) = rest.iter().find(|(key, _)| FIXED.contains(&key.as_str())) {
        return Err(Error::invalid("body", format!("`{key}` of a project cannot be set here")).into());
    }
    if !rest.is_empty() {
        (project, ()) = labelling
            .change_project(project.id, |project| {
                for (key, value) in &rest {
                    match (key.as_str(), value.as_str()) {
                        ("name", Some(name)) if !name.trim().is_empty() => project.name = name.trim().to_owned(),
                        ("description", Some(text)) => project.description = text.to_owned(),
                        ("name" | "description", _) => {
                            return Err(Error::invalid("project-name", format!("`{key}` of a project is a text")));
                        }
                        _ => {
                            project.settings.insert((*key).clone(), (*value).clone());
                        }
                    }
                }
                Ok(())
            })
            .await?;
    }
    answer(&asked, &project).await
}

/// Nobody sees it any more.
pub(super) async fn remove(Path(id): Path<String>, asked: Asked) -> Answer {
    let project = asked.project(&id).await?;
    whole_organization(&asked)?;
    asked.app.labelling.delete_project(project.id).await?;
    success(json!({ "project": { "_id": id, "deleted": true } }))
}

/// Deletes it with its files.
pub(super) async fn purge(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    whole_organization(&asked)?;
    asked.app.labelling.purge_project(project.id, sent.text("confirmName").unwrap_or_default()).await?;
    success(json!({ "project": { "_id": id, "purged": true } }))
}

/// Copies what the body says, without assets.
pub(super) async fn copy(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    whole_organization(&asked)?;
    let part = |key: &str| sent.0[key].as_bool().unwrap_or(true);
    let parts = CopyParts {
        schema: part("categorySchema"),
        members: part("assignedTo"),
        batches: part("batches"),
        stages: part("workflow"),
        settings: part("projectGeneralSettings"),
    };
    let copy = asked.app.labelling.copy_project(project.id, parts, &asked.caller.user).await?;
    answer(&asked, &copy).await
}

/// Adds members, or changes their role.
pub(super) async fn add_members(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    whole_organization(&asked)?;
    let project = asked.app.labelling.add_members(project.id, &sent.texts("assignees")?, sent.required("role")?).await?;
    answer(&asked, &project).await
}

/// Makes one batch, or replaces the list of batches.
pub(super) async fn batches(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    let labelling = &asked.app.labelling;
    if let Some(name) = sent.text("name") {
        let (_, batch) = labelling.create_batch(project.id, name).await?;
        return success(json!({ "project": { "_id": batch.id.to_string(), "name": batch.name } }));
    }
    let list = [&sent.0["batches"], &sent.0["tags"]].into_iter().find_map(Json::as_array);
    let list = list.ok_or_else(|| Error::invalid("body", "the request's body has neither `name` nor a list `batches`"))?;
    let mut wanted: Vec<(Option<HubId>, String)> = Vec::with_capacity(list.len());
    for entry in list {
        let name = entry["name"].as_str().ok_or_else(|| Error::invalid("batch-name", "a batch has no `name`"))?;
        wanted.push((entry["_id"].as_str().and_then(|id| id.parse().ok()), name.to_owned()));
    }
    let project = labelling.set_batches(project.id, &wanted).await?;
    answer(&asked, &project).await
}

/// Kept for those who check answers themselves; this server runs no such code.
pub(super) async fn label_validation(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    if sent.0["customValidationEnabled"] == true || sent.0["externalValidation"].is_object() {
        return Err(not_offered(
            "label validation",
            "it would run a project's own code in the server; use a Logic stage or a plugin",
        ));
    }
    let settings = sent.0.as_object().cloned().unwrap_or_default();
    let (project, ()) = asked
        .app
        .labelling
        .change_project(project.id, |project| {
            project.settings.extend(settings.clone());
            Ok(())
        })
        .await?;
    answer(&asked, &project).await
}

/// Adds a template for assets that are built of a table; clients fill it in themselves.
pub(super) async fn add_template(Path(id): Path<String>, asked: Asked, sent: Sent) -> Answer {
    let project = asked.project(&id).await?;
    sent.required("name")?;
    let mut template = sent.0.clone();
    template["_id"] = HubId::random().to_string().into();
    let added = template.clone();
    asked
        .app
        .labelling
        .change_project(project.id, |project| {
            let list = project.settings.entry("assetBuilderTemplates").or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(template.clone());
            }
            Ok(())
        })
        .await?;
    success(json!({ "project": { "_id": id }, "assetBuilderTemplate": added }))
}

/// Takes a file of instructions, field `file` of a form.
pub(super) async fn instructions(
    Path(id): Path<String>,
    asked: Asked,
    State(app): State<App>,
    request: Request,
) -> Result<axum::response::Response, Refused> {
    let project = asked.project(&id).await?;
    let broken =
        |error: &dyn std::fmt::Display| Refused::from(Error::invalid("body", format!("the form cannot be read: {error}")));
    let mut form = Multipart::from_request(request, &app).await.map_err(|error| broken(&error))?;
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        if field.name() != Some("file") {
            continue;
        }
        let name = field.file_name().unwrap_or("instructions").to_owned();
        let bytes = field.bytes().await.map_err(|error| broken(&error))?;
        if bytes.len() > LARGEST_INSTRUCTIONS {
            return Err(Error::invalid("body-too-large", "the instructions are larger than 64 MiB").into());
        }
        let (place, _) = place_and_link(&app, &asked.base, project.id, FileKind::Instruction, &name)?;
        take(&app, &place, bytes.into()).await?;
        let kept = format!("{OWN_FILE}{}", place.as_str());
        let url = app.labelling.shown(&asked.base, &kept);
        app.labelling
            .change_project(project.id, |project| {
                project.settings.insert("instructions".to_owned(), kept.clone().into());
                Ok(())
            })
            .await?;
        return Ok(success(json!({ "project": { "_id": id, "instructions": url } })).into_response());
    }
    Err(Error::invalid("body", "the form has no field `file`").into())
}

/// The key of a run works within its project and changes nothing around it.
fn whole_organization(asked: &Asked) -> Result<(), Refused> {
    if asked.caller.project.is_none() {
        return Ok(());
    }
    Err(Error::invalid("admins-only", "the key of a run can neither make nor delete projects").into())
}
