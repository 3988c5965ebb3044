//! No secret is in any byte on a disk: not in a log, not in a state, nor on machines that were
//! wiped or removed. Nor is one in any message between nodes.

use concordat_cluster::log::FileSystem;
use concordat_tests::{
    canary::{Canary, Search},
    demo::Org,
    recorded::CLIENT_SECRET,
};

use crate::world::World;

/// The secrets to look for: clients' values, the operator's key, the organizations' keys.
pub(crate) fn of(operator_key: &str, orgs: &[Org]) -> Search {
    let keys = orgs.iter().map(|org| ("an organization's key", org.api_key.as_str()));
    let others = [("a client secret", CLIENT_SECRET), ("the operator's key", operator_key)];
    let all = others.into_iter().chain(keys);
    Search::new(all.map(|(name, secret)| Canary::new(name, secret.as_bytes())).collect())
}

/// Looks through everything that all machines keep.
pub(crate) fn none_written(world: &World, search: &Search) -> Result<(), String> {
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
