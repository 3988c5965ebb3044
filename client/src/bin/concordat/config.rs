//! The config file with its contexts, and the client that comes of it. What the command line or the
//! environment gives goes before what the context says.
//!
//! ```toml
//! default_context = "demo"
//!
//! [contexts.demo]
//! org = "af5fbd30-7ce7-4548-8b30-4cd59cb2aba1"
//! api_key_file = "/run/secrets/concordat-api-key"   # or api_key
//! operator_key_file = "/run/secrets/operator-key"   # or operator_key
//! consistency = "local_region"
//! timeout = "30s"
//! endpoints = ["http://127.0.0.1:8080"]             # or, by region:
//!
//! [[contexts.demo.regions]]
//! name = "us-iowa"
//! endpoints = ["http://127.0.0.1:8080", "http://127.0.0.1:8081"]
//! ```

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use concordat_client::{Client, ClientBuilder, OrgId, RequiredConsistency, Secret};
use serde::Deserialize;

use crate::{
    args::Global,
    environment::{environment, take_line_end},
    failure::Failure,
    values,
};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default_context: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, Context>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Context {
    endpoints: Vec<String>,
    regions: Vec<RegionEndpoints>,
    org: Option<String>,
    api_key: Option<String>,
    api_key_file: Option<PathBuf>,
    operator_key: Option<String>,
    operator_key_file: Option<PathBuf>,
    consistency: Option<String>,
    timeout: Option<String>,
    /// An older name, for whole seconds.
    timeout_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionEndpoints {
    name: String,
    endpoints: Vec<String>,
}

/// The client that the arguments and the config file ask for.
pub(crate) fn client(global: &Global) -> Result<Client, Failure> {
    let context = context(global)?;
    let builder = endpoints(global, &context)?;
    let builder = identities(builder, global, &context)?;
    let builder = match consistency(global, &context)? {
        Some(consistency) => builder.default_consistency(consistency),
        None => builder,
    };
    let builder = match timeout(global, &context)? {
        Some(timeout) => builder.default_timeout(timeout),
        None => builder,
    };
    Ok(builder.build()?)
}

fn timeout(global: &Global, context: &Context) -> Result<Option<Duration>, Failure> {
    let invalid = |error| Failure::usage(format!("timeout of the context: {error}"));
    let of_context =
        context.timeout.as_deref().map(values::timeout).transpose().map_err(invalid)?;
    Ok(global.timeout.or(of_context).or(context.timeout_seconds.map(Duration::from_secs)))
}

fn endpoints(global: &Global, context: &Context) -> Result<ClientBuilder, Failure> {
    let mut builder = Client::builder();
    if !global.endpoints.is_empty() {
        return Ok(builder.endpoints(&global.endpoints));
    }
    builder = builder.endpoints(&context.endpoints);
    for region in &context.regions {
        builder = builder.region(&region.name, &region.endpoints);
    }
    if context.endpoints.is_empty() && context.regions.is_empty() {
        return Err(Failure::usage(
            "no endpoint: give --endpoint URL, CONCORDAT_ENDPOINTS or a context",
        ));
    }
    Ok(builder)
}

fn identities(
    mut builder: ClientBuilder,
    global: &Global,
    context: &Context,
) -> Result<ClientBuilder, Failure> {
    let org = match (global.org, &context.org) {
        (Some(org), _) => Some(org),
        (None, Some(text)) => {
            let invalid = |error| Failure::usage(format!("org of the context: {error}"));
            Some(text.parse::<OrgId>().map_err(invalid)?)
        }
        (None, None) => None,
    };
    let api_key = key(global.api_key.as_ref(), &context.api_key, context.api_key_file.as_deref())?;
    if let (Some(org), Some(api_key)) = (org, api_key) {
        builder = builder.org(org, api_key);
    }
    let file = global.operator_key_file.as_deref();
    let given = match (&global.operator_key, file) {
        (None, Some(file)) => Some(read_secret(file)?),
        (given, _) => given.clone(),
    };
    let file = context.operator_key_file.as_deref();
    if let Some(key) = key(given.as_ref(), &context.operator_key, file)? {
        builder = builder.operator_key(key);
    }
    Ok(builder)
}

fn key(
    given: Option<&Secret>,
    text: &Option<String>,
    file: Option<&Path>,
) -> Result<Option<Secret>, Failure> {
    match (given, text, file) {
        (Some(given), _, _) => Ok(Some(given.clone())),
        (None, Some(text), _) => Ok(Some(Secret::new(text.clone()))),
        (None, None, Some(file)) => read_secret(file).map(Some),
        (None, None, None) => Ok(None),
    }
}

fn consistency(global: &Global, context: &Context) -> Result<Option<RequiredConsistency>, Failure> {
    let invalid = |_| Failure::usage("consistency of the context: local_region or all_regions");
    let of_context = context.consistency.as_deref().map(str::parse).transpose().map_err(invalid)?;
    Ok(global.consistency.or(of_context))
}

/// The context asked for, else the default one, else an empty one.
fn context(global: &Global) -> Result<Context, Failure> {
    let mut file = match global.config.clone().or_else(default_path) {
        Some(path) => read_file(&path, global.config.is_some())?,
        None => File::default(),
    };
    let Some(name) = global.context.as_ref().or(file.default_context.as_ref()).cloned() else {
        return Ok(Context::default());
    };
    let missing = || Failure::usage(format!("the config file has no context {name:?}"));
    file.contexts.remove(&name).ok_or_else(missing)
}

fn read_file(path: &Path, must_exist: bool) -> Result<File, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => String::new(),
        Err(error) => return Err(Failure::usage(format!("{}: {error}", path.display()))),
    };
    // Only the parser's reason: the line that it quotes may hold a key.
    toml::from_str(&text).map_err(|error| {
        Failure::usage(format!("{} is not a config file: {}", path.display(), error.message()))
    })
}

fn default_path() -> Option<PathBuf> {
    let home = || environment("HOME").map(|home| Path::new(&home).join(".config"));
    let base = environment("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)?;
    Some(base.join("concordat").join("config.toml"))
}

/// A secret of a file, or of standard input (`-`), without the last line's end.
pub(crate) fn read_secret(path: &Path) -> Result<Secret, Failure> {
    let text = if path == Path::new("-") {
        io::read_to_string(io::stdin().lock())
    } else {
        fs::read_to_string(path)
    };
    let mut text =
        text.map_err(|error| Failure::usage(format!("secret of {}: {error}", path.display())))?;
    take_line_end(&mut text);
    if text.is_empty() {
        return Err(Failure::usage(format!("secret of {}: it is empty", path.display())));
    }
    Ok(Secret::new(text))
}
