//! Where values come from. Flags lie over variables, variables over one file, the file over the defaults; each value keeps
//! the name of the layer that gave it. Everything that is read from the environment is read by [`Sources::from_process`].

use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use pegboard_model::Error;

use super::dialect::{self, Dialect, Translated};
use super::key::{self, KEY_VARIABLE, PLUGINS_VARIABLE, SETTINGS, URL_VARIABLE, VARIABLE_PREFIX};

/// File that is looked for in the working directory and in the data directory.
const FILE_NAME: &str = "pegboard.toml";

/// File of the dialect that is looked for in the data directory, when there is none of ours.
const DIALECT_FILE_NAME: &str = "flowdapt.yaml";

/// All that settings are made from, as plain values: tests fill it by hand.
#[derive(Clone, Default, Debug)]
pub struct Sources {
    /// What the command line said.
    pub flags: Vec<FlagValue>,
    /// Name and value of environment variables; those that are neither ours nor the dialect's only fill in what its file names.
    pub variables: Vec<(String, String)>,
    /// The file named by `--config`.
    pub file: Option<PathBuf>,
    /// The working directory.
    pub directory: PathBuf,
}

/// A setting given on the command line.
#[derive(Clone, Debug)]
pub struct FlagValue {
    /// The flag as typed: `--listen`.
    pub flag: String,
    /// Key of the setting.
    pub key: String,
    /// Its text.
    pub value: String,
}

impl Sources {
    /// Reads environment and working directory of this process.
    #[must_use]
    pub fn from_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect();
        Self {
            flags: Vec::new(),
            variables,
            file: None,
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    /// The key that client commands send, when the environment has one.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        let found = self.variables.iter().find(|(name, _)| name == KEY_VARIABLE).map(|(_, key)| key.trim().to_owned());
        found.filter(|key| !key.is_empty())
    }

    /// Adds a flag when it was given.
    #[must_use]
    pub fn flag(mut self, flag: &str, key: &str, value: Option<String>) -> Self {
        if let Some(value) = value {
            self.flags.push(FlagValue { flag: flag.to_owned(), key: key.to_owned(), value });
        }
        self
    }
}

/// Package index that the machine's tools are set to, as uv and pip read it.
#[must_use]
pub fn package_index() -> Option<String> {
    ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|url| !url.is_empty())
}

/// The layers, laid on each other.
pub(super) struct Layers {
    figment: Figment,
    /// What the dialect's own configuration says, for stages and for whoever starts the server.
    pub(super) dialect: Dialect,
}

/// What one layer says of one key.
pub(super) struct Found {
    pub(super) parts: Vec<String>,
    pub(super) origin: String,
}

impl Layers {
    pub(super) fn read(sources: &Sources) -> Result<Self, Error> {
        let mut upper = Vec::new();
        for (name, value) in &sources.variables {
            // Workbench's word for "only what comes with it".
            let says_nothing = name == PLUGINS_VARIABLE && matches!(value.as_str(), "" | "package");
            if let Some(key) = variable_key(name).filter(|_| !says_nothing) {
                known(&key, name)?;
                upper.push(Layer::single(name.clone(), &key, value));
            }
        }
        // The short name goes first: the long one lies over it.
        upper.sort_by_key(|layer| ![URL_VARIABLE, PLUGINS_VARIABLE].contains(&layer.origin.as_str()));
        for flag in &sources.flags {
            known(&flag.key, &flag.flag)?;
            upper.push(Layer::single(flag.flag.clone(), &flag.key, &flag.value));
        }
        let mut figment = Figment::new().merge(Layer::defaults());
        if let Some(directory) = dialect::app_directory(&sources.variables) {
            figment = figment.merge(Layer::translated(&directory));
        }
        let above = upper.iter().fold(figment.clone(), |figment, layer| figment.merge(layer));
        let file = Self::file(sources, &above)?;
        let (theirs, ours) =
            file.map_or((None, None), |path| if dialect::is_dialect(&path) { (Some(path), None) } else { (None, Some(path)) });
        let mut dialect = Dialect::read(theirs.as_deref(), &sources.variables)?;
        for setting in dialect.translated()? {
            figment = figment.merge(Layer::translated(&setting));
        }
        if let Some(path) = ours {
            figment = figment.merge(Layer::file(&path)?);
        }
        Ok(Self { figment: upper.iter().fold(figment, |figment, layer| figment.merge(layer)), dialect })
    }

    fn file(sources: &Sources, above: &Figment) -> Result<Option<PathBuf>, Error> {
        if let Some(path) = &sources.file {
            let path = sources.directory.join(path);
            return if path.is_file() {
                Ok(Some(path))
            } else {
                Err(Error::not_found("settings-file", format!("settings file `{}` does not exist", path.display())))
            };
        }
        let data = above.find_value("server.data").ok().and_then(|value| value.into_string()).unwrap_or_default();
        let data = sources.directory.join(data);
        if let Some(path) = dialect::file(&sources.variables, &data) {
            let missing = || Error::not_found("settings-file", format!("settings file `{}` does not exist", path.display()));
            return if path.is_file() { Ok(Some(path)) } else { Err(missing()) };
        }
        let places = [sources.directory.join(FILE_NAME), data.join(FILE_NAME), data.join(DIALECT_FILE_NAME)];
        Ok(places.into_iter().find(|path| path.is_file()))
    }

    pub(super) fn find(&self, key: &str) -> Result<Found, Error> {
        let value = self.figment.find_value(key).map_err(|error| Error::internal("setting-missing", error.to_string()))?;
        let origin =
            self.figment.get_metadata(value.tag()).map_or_else(|| "default".to_owned(), |metadata| metadata.name.to_string());
        let parts = parts(&value)
            .ok_or_else(|| Error::invalid("setting-invalid", format!("`{key}` in {origin} is neither text, number nor list")))?;
        Ok(Found { parts, origin })
    }
}

/// `PEGBOARD__ENGINE__MEMORY` to `engine.memory`.
fn variable_key(name: &str) -> Option<String> {
    if name == URL_VARIABLE {
        return Some("server.url".to_owned());
    }
    if name == PLUGINS_VARIABLE {
        return Some("dashboard.plugins".to_owned());
    }
    Some(name.strip_prefix(VARIABLE_PREFIX)?.to_lowercase().replace("__", "."))
}

fn known(key: &str, origin: &str) -> Result<(), Error> {
    if key::find(key).is_some() || key::table_of(key).is_some() {
        return Ok(());
    }
    let nearest = key::nearest(key);
    let nearest = if origin.starts_with(VARIABLE_PREFIX) {
        key::find(nearest).map_or_else(|| nearest.to_owned(), key::Setting::variable)
    } else {
        nearest.to_owned()
    };
    let message = if origin.starts_with(VARIABLE_PREFIX) {
        format!("variable `{origin}` names no setting")
    } else {
        format!("`{key}` in {origin} is not a setting")
    };
    Err(Error::invalid("setting-unknown", message)
        .hint(format!("the nearest one is `{nearest}`; `pegboard config` lists them all")))
}

/// Texts of a scalar or of an array of scalars; a table is JSON.
fn parts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(_, text) => Some(vec![text.clone()]),
        Value::Bool(_, flag) => Some(vec![flag.to_string()]),
        Value::Num(_, number) => match (number.to_u128(), number.to_i128(), number.to_f64()) {
            (Some(number), ..) => Some(vec![number.to_string()]),
            (_, Some(number), _) => Some(vec![number.to_string()]),
            (.., number) => number.map(|number| vec![number.to_string()]),
        },
        // A list of one looks like a scalar afterwards, which is what a list of one means.
        Value::Array(_, items) => items.iter().map(parts).collect::<Option<Vec<_>>>().map(|items| items.concat()),
        Value::Dict(..) => serde_json::to_string(value).ok().map(|text| vec![text]),
        _ => None,
    }
}

/// One source of values.
struct Layer {
    origin: String,
    values: Dict,
}

impl Layer {
    fn single(origin: String, key: &str, value: &str) -> Self {
        Self { origin, values: nest(key, Value::from(value)) }
    }

    fn translated(setting: &Translated) -> Self {
        Self::single(setting.origin.clone(), setting.key, &setting.text)
    }

    fn defaults() -> Self {
        let mut values = Dict::new();
        for setting in SETTINGS {
            insert(&mut values, setting.key, Value::from(setting.default));
        }
        Self { origin: "default".to_owned(), values }
    }

    fn file(path: &Path) -> Result<Self, Error> {
        let origin = format!("file:{}", path.display());
        let unreadable = |reason: String| {
            Error::invalid("settings-file", format!("cannot read settings file `{}`", path.display())).detail(reason)
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let values = Toml::from_str::<Dict>(&text).map_err(|error| unreadable(error.to_string().trim_end().to_owned()))?;
        let mut keys = Vec::new();
        flatten("", &values, &mut keys);
        keys.iter().try_for_each(|key| known(key, &origin))?;
        Ok(Self { origin, values })
    }
}

fn insert(values: &mut Dict, key: &str, value: Value) {
    match key.split_once('.') {
        Some((section, rest)) => {
            let inner = values.entry(section.to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
        None => {
            values.insert(key.to_owned(), value);
        }
    }
}

fn nest(key: &str, value: Value) -> Dict {
    match key.split_once('.') {
        Some((section, rest)) => Dict::from([(section.to_owned(), Value::from(nest(rest, value)))]),
        None => Dict::from([(key.to_owned(), value)]),
    }
}

fn flatten(prefix: &str, values: &Dict, keys: &mut Vec<String>) {
    for (name, value) in values {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Dict(_, inner) => flatten(&key, inner, keys),
            _ => keys.push(key),
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}
