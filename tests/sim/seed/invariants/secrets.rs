//! No secret is in any byte that a disk was given: not in a log, not in a state, nor in those of a machine
//! that was wiped or taken away.

use concordat_cluster::log::FileSystem;
use concordat_tests::canary::{Canary, Search};

use crate::world::World;

/// Looks through everything that all machines keep.
pub(crate) fn none_written(world: &World, secrets: &[(&str, &str)]) -> Result<(), String> {
    let canaries = secrets.iter().map(|(name, secret)| Canary::new(name, secret.as_bytes()));
    let search = Search::new(canaries.collect());
    let all = world.hosts.iter().chain(&world.taken_away);
    for (host, (files, store)) in all.flat_map(|host| host.disks().map(move |disk| (host, disk))) {
        for name in files.list().unwrap_or_default() {
            let bytes = files.contents(&name).unwrap_or_default();
            if let Some(found) = search.in_bytes(&bytes).first() {
                return Err(format!("secrets: {found} is in {name} of {}", host.address));
            }
        }
        for (key, value) in store.pairs() {
            let found = search.in_bytes(&key).into_iter().chain(search.in_bytes(&value)).next();
            if let Some(found) = found {
                return Err(format!("secrets: {found} is in the state of {}", host.address));
            }
        }
    }
    Ok(())
}
