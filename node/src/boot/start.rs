//! `concordatd start`: one node of a cluster, until it is stopped or fails.
//!
//! One thread runs replicas and API by default: a scheduler with several threads breaks the batches
//! that make the log fast, and costs a third more CPU. `worker_threads` is for large machines.

use std::{fs, io, path::Path, sync::Arc};

use concordat_proto::{
    org::{ApiKey, KeyHash, Rights},
    secret::Secret,
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};

use crate::{
    auth,
    boot::{
        assemble::{self, Parts},
        atomic_file,
        config::{Config, OperatorKeySource},
        failure::Failure,
        identity::IdentityFile,
        keyring_check,
        state::{self, StateStores},
        supervise::{self, Supervisor},
    },
    entropy,
    environment::Environment,
    keyring::Keyring,
    observe,
    peer::{self, Reach, SocketTransport},
};

/// Runs a node.
///
/// # Errors
/// With the reason why it could not start, or had to stop.
pub fn run(config: Config, environment: Environment) -> Result<(), Failure> {
    let keyring = check(&config)?;
    let runtime = runtime(config.worker_threads)?;
    runtime.block_on(serve(config, environment, Arc::new(keyring)))
}

/// Checks everything that would prevent a start, without starting anything: `config check` reports
/// the same as `start`. Only a start can find out whether addresses and disks are free.
///
/// # Errors
/// With the problem.
pub fn check(config: &Config) -> Result<Keyring, Failure> {
    state::require_disk()?;
    observe::log::levels(&config.log_level)?;
    let keyring = Keyring::read(&config.keyring)?;
    peer::may_listen(config.peer_listen, config.peer_reach)
        .map_err(|error| Failure::bad_setting("peer_listen".to_owned(), error))?;
    let known = IdentityFile::peek(&config.data_dir, &config.region)?;
    let belongs = known.is_some_and(|known| known.cluster.is_some() || known.founded.is_some());
    if belongs {
        return Ok(keyring);
    }
    match &config.bootstrap {
        Some(OperatorKeySource::File(path)) if path.exists() => {
            read_operator_key(path)
                .map_err(|error| Failure::bad_setting(path.display().to_string(), error))?;
        }
        Some(OperatorKeySource::File(_) | OperatorKeySource::Hash(_)) => {}
        None if config.seeds.is_empty() => return Err(belongs_nowhere()),
        None => {}
    }
    Ok(keyring)
}

fn belongs_nowhere() -> Failure {
    Failure::setting(
        "this node belongs to no cluster: give it seeds to join one, or begin one with bootstrap",
    )
}

/// A runtime with this number of threads; with zero it is the calling thread alone.
pub(crate) fn runtime(worker_threads: usize) -> Result<Runtime, Failure> {
    let runtime = match worker_threads {
        0 => Builder::new_current_thread().enable_all().build(),
        threads => Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
    };
    runtime.map_err(|error| Failure::fault("starting the runtime", error))
}

async fn serve(
    config: Config,
    environment: Environment,
    keyring: Arc<Keyring>,
) -> Result<(), Failure> {
    let context = |what: &str, address| format!("listening for {what} on {address}");
    let listener = TcpListener::bind(config.listen).await;
    let listener =
        listener.map_err(|error| Failure::bad_setting(context("clients", config.listen), error))?;
    let api = listener.local_addr().map_err(|e| Failure::fault("reading an address", e))?;
    let transport = SocketTransport::bind(config.peer_listen, config.peer_reach).await;
    let transport = transport
        .map_err(|error| Failure::bad_setting(context("peers", config.peer_listen), error))?;
    if config.peer_reach == Reach::Anywhere {
        tracing::warn!(
            "insecure_peers: connections between nodes are neither encrypted nor authenticated; anyone \
             who can connect to the peer address is trusted as a node"
        );
    }
    let parts = Parts {
        environment: environment.clone(),
        data_dir: config.data_dir,
        region: config.region,
        regions: config.regions,
        keyring,
        sizes: config.storage,
        http: config.http,
        api_url: config.api_url.unwrap_or_else(|| format!("http://{api}")),
        peer_address: config.peer_address.unwrap_or_else(|| transport.address().to_string()),
        seeds: config.seeds,
        transport: Arc::clone(&transport) as _,
        cuts: None,
    };
    let kept = assemble::open(&parts, &StateStores::on_disk(&parts.sizes)?)?;
    if let Some(source) = &config.bootstrap {
        let key = || operator_key(source, &environment);
        assemble::bootstrap(&kept, &environment, &parts.keyring, key)?;
    }
    let identity = kept.identity.identity();
    if identity.cluster.is_none() && identity.founded.is_none() && parts.seeds.is_empty() {
        return Err(belongs_nowhere());
    }
    let node = assemble::node(parts, kept).await?;
    if let Err(foreign) = keyring_check::at_start(&node) {
        assemble::close(&node).await;
        return Err(foreign);
    }
    transport.serve(node.groups.service());
    tracing::info!(node = %identity.node, region = %identity.region, %api, "started");

    let mut supervisor = Supervisor::default();
    assemble::keep(&mut supervisor, "node", &node, listener);
    let stop = supervisor.stop();
    supervisor.spawn("signals", async move {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            asked = supervise::asked_to_end() => asked,
        }
    });
    let ended = supervisor.run().await;
    if ended.is_ok() {
        observe::log::on_stopping();
        node.groups.hand_over().await;
    }
    assemble::close(&node).await;
    transport.close();
    tracing::info!("stopped");
    ended
}

/// The first operator key: of its file, which is made when it is not there, or only its hash.
fn operator_key(source: &OperatorKeySource, environment: &Environment) -> Result<ApiKey, Failure> {
    match source {
        OperatorKeySource::Hash(hash) => {
            let id = entropy::key_id(&*environment.entropy);
            Ok(ApiKey { id, hash: *hash, rights: Rights::ALL })
        }
        OperatorKeySource::File(path) => operator_key_file(path, environment)
            .map_err(|error| Failure::bad_setting(path.display().to_string(), error)),
    }
}

fn operator_key_file(path: &Path, environment: &Environment) -> io::Result<ApiKey> {
    let entropy = &*environment.entropy;
    match read_operator_key(path) {
        Ok(hash) => Ok(ApiKey { id: entropy::key_id(entropy), hash, rights: Rights::ALL }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (text, key) = auth::new_operator_key(entropy);
            let line = Secret::new(format!("{}\n", text.expose()));
            atomic_file::create(path, line.expose().as_bytes())?;
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

/// The hash of a file's operator key.
fn read_operator_key(path: &Path) -> io::Result<KeyHash> {
    let text = Secret::new(fs::read_to_string(path)?);
    atomic_file::require_owner_only(path)?;
    let key = text.expose().trim();
    if !key.starts_with("op_") || key.len() < 32 {
        return Err(io::Error::other("it holds no operator key"));
    }
    Ok(auth::hash_key(key.as_bytes()))
}

#[cfg(test)]
mod tests {
    use concordat_proto::region::Region;

    use super::*;
    use crate::boot::config::Settings;

    #[test]
    fn an_operator_key_is_made_once_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let source = OperatorKeySource::File(directory.path().join("operator"));
        let environment = Environment::default();
        let made = operator_key(&source, &environment).unwrap();
        let read = operator_key(&source, &environment).unwrap();
        assert_eq!(made.hash, read.hash);
        let empty = directory.path().join("empty");
        atomic_file::create(&empty, b"").unwrap();
        assert!(operator_key(&OperatorKeySource::File(empty), &environment).is_err());
    }

    /// A start refuses each of these; `config check` had accepted all of them. A build without
    /// RocksDB refuses every start.
    #[cfg(feature = "rocksdb")]
    #[test]
    fn a_check_refuses_what_a_start_refuses() {
        let directory = tempfile::tempdir().unwrap();
        let keyring = directory.path().join("keyring.toml");
        Keyring::create(&keyring, &entropy::OsEntropy).unwrap();
        let right = Settings {
            region: Some("us-iowa".into()),
            data_dir: Some(directory.path().join("data")),
            listen: Some("127.0.0.1:0".into()),
            peer_listen: Some("127.0.0.1:0".into()),
            seeds: Some(vec!["127.0.0.1:9080".into()]),
            keyring: Some(keyring),
            ..Settings::default()
        };
        let checked = |settings: &Settings| check(&settings.check().unwrap()).map(drop);
        let refused = |settings: Settings| checked(&settings).unwrap_err().chain();
        checked(&right).unwrap();
        assert!(!directory.path().join("data").exists(), "a check changes nothing");

        let missing = Some(directory.path().join("missing.toml"));
        assert!(refused(Settings { keyring: missing, ..right.clone() }).contains("keyring"));
        let levels = Some("concordat_node=loud".to_owned());
        assert!(refused(Settings { log_level: levels, ..right.clone() }).contains("log_level"));
        let everywhere = Some("10.0.0.1:9080".to_owned());
        let reason = refused(Settings { peer_listen: everywhere, ..right.clone() });
        assert!(reason.contains("insecure_peers"), "{reason}");
        assert!(refused(Settings { seeds: None, ..right.clone() }).contains("no cluster"));

        let file = directory.path().join("operator.key");
        let founder = Settings {
            bootstrap: Some(true),
            operator_key_file: Some(file.clone()),
            ..right.clone()
        };
        checked(&founder).unwrap();
        atomic_file::create(&file, b"no key").unwrap();
        assert!(refused(founder).contains("no operator key"));

        let home = Region::new("us-iowa").unwrap();
        fs::create_dir(directory.path().join("data")).unwrap();
        IdentityFile::open(&directory.path().join("data"), &home, &entropy::OsEntropy).unwrap();
        checked(&right).unwrap();
        let moved = Settings { region: Some("asia-japan".into()), ..right };
        assert!(refused(moved).contains("belongs to region"));
    }
}
