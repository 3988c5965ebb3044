//! The demo's data across restarts: its plan, the operator key, the organization and its key. The
//! file is readable by its owner only, because unlike a real cluster it keeps plaintext keys.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use concordat_proto::org::ApiKey;
use serde::{Deserialize, Serialize};

use super::args::{DemoArgs, Plan};
use crate::{
    auth,
    boot::{atomic_file, failure::Failure},
    entropy,
    environment::Environment,
    keyring::Keyring,
};

const FILE: &str = "demo.json";
const KEYRING: &str = "keyring.toml";
const FORMAT: u32 = 1;

/// The saved data.
#[derive(Clone)]
pub(super) struct Saved {
    /// Its directory.
    pub(super) directory: PathBuf,
    /// Whether it is kept after the end.
    pub(super) is_kept: bool,
    /// The operator key's text.
    pub(super) operator_key: String,
    /// The organization, once it is made.
    pub(super) org: Option<SavedOrg>,
    plan: Plan,
}

impl fmt::Debug for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Saved(in {})", self.directory.display())
    }
}

/// An organization to try things with.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SavedOrg {
    /// Its id.
    pub(super) id: String,
    /// Its key's text.
    pub(super) api_key: String,
}

impl fmt::Debug for SavedOrg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SavedOrg({})", self.id)
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    regions: Vec<String>,
    nodes_per_region: usize,
    rtt_ms: Vec<u64>,
    operator_key: String,
    org: Option<SavedOrg>,
}

/// Finds the demo of a directory again, or begins one there.
pub(super) fn load(
    directory: &Path,
    args: &DemoArgs,
    environment: &Environment,
) -> Result<(Plan, Saved), Failure> {
    let path = directory.join(FILE);
    let context = || format!("the demo in {}", directory.display());
    let (regions, nodes, rtt_ms) =
        (args.regions.as_deref(), args.nodes_per_region, args.rtt_ms.as_deref());
    let is_kept = args.data_dir.is_some();
    let directory = directory.to_path_buf();
    let stored: Stored = match fs::read(&path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|e| Failure::bad_setting(context(), e))?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let plan = Plan::new(regions, nodes, rtt_ms)?;
            let (key, _) = auth::new_operator_key(&*environment.entropy);
            let operator_key = key.expose().to_owned();
            let saved = Saved { directory, is_kept, operator_key, org: None, plan: plan.clone() };
            saved.save()?;
            return Ok((plan, saved));
        }
        Err(error) => return Err(Failure::bad_setting(context(), error)),
    };
    if stored.format != FORMAT {
        return Err(Failure::setting(format!("{}: of another version", context())));
    }
    let kept = Plan::new(Some(&stored.regions), Some(stored.nodes_per_region), None)?;
    let asked = Plan::new(
        regions.or(Some(&stored.regions)),
        nodes.or(Some(stored.nodes_per_region)),
        rtt_ms.or(Some(&stored.rtt_ms)),
    )?;
    if (&kept.regions, kept.nodes_per_region) != (&asked.regions, asked.nodes_per_region) {
        return Err(Failure::setting(format!("{}: it has other regions or nodes", context())));
    }
    let (operator_key, org) = (stored.operator_key, stored.org);
    Ok((asked.clone(), Saved { directory, is_kept, operator_key, org, plan: asked }))
}

impl Saved {
    /// Writes it, durably.
    pub(super) fn save(&self) -> Result<(), Failure> {
        let stored = Stored {
            format: FORMAT,
            regions: self.plan.regions.iter().map(ToString::to_string).collect(),
            nodes_per_region: self.plan.nodes_per_region,
            rtt_ms: self.plan.rtt_ms.clone(),
            operator_key: self.operator_key.clone(),
            org: self.org.clone(),
        };
        let path = self.directory.join(FILE);
        let context = || format!("writing {}", path.display());
        let text = serde_json::to_vec(&stored).map_err(|e| Failure::fault(context(), e))?;
        atomic_file::replace(&path, &text).map_err(|error| Failure::fault(context(), error))
    }

    /// The operator key as the cluster keeps it.
    pub(super) fn operator_key_record(&self, environment: &Environment) -> ApiKey {
        ApiKey {
            id: entropy::key_id(&*environment.entropy),
            hash: auth::hash_key(self.operator_key.as_bytes()),
            rights: concordat_proto::org::Rights::ALL,
        }
    }

    /// The demo's own keyring, made at its first start.
    pub(super) fn keyring(&self, environment: &Environment) -> Result<Keyring, Failure> {
        let path = self.directory.join(KEYRING);
        if !path.exists() {
            Keyring::create(&path, &*environment.entropy)?;
        }
        Keyring::read(&path)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: DemoArgs,
    }

    fn args(line: &[&str]) -> DemoArgs {
        Line::parse_from([&["demo", "--data-dir", "x"], line].concat()).args
    }

    #[test]
    fn a_restart_finds_everything_again() {
        let directory = tempfile::tempdir().unwrap();
        let environment = Environment::default();
        let line = args(&["--regions", "a,b", "--nodes-per-region", "1", "--rtt-ms", "7"]);
        let (plan, mut saved) = load(directory.path(), &line, &environment).unwrap();
        saved.org = Some(SavedOrg { id: "id".into(), api_key: "key".into() });
        saved.save().unwrap();
        atomic_file::require_owner_only(&directory.path().join(FILE)).unwrap();

        let (again, found) = load(directory.path(), &args(&[]), &environment).unwrap();
        assert_eq!(again, plan);
        assert_eq!(found.operator_key, saved.operator_key);
        assert_eq!(found.org.unwrap().api_key, "key");
        let (slower, _) = load(directory.path(), &args(&["--rtt-ms", "9"]), &environment).unwrap();
        assert_eq!(slower.rtt_ms, [9], "delays may change");
        let other = args(&["--regions", "a,c"]);
        assert!(load(directory.path(), &other, &environment).is_err(), "regions may not");
    }
}
