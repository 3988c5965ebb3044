//! A cluster without clients writes nothing: what its own tasks have to do comes to an end. A step that is
//! proposed again and again is harmless in each instance, and fills every log. It must change nothing.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::id::GroupId;

use super::{MEND_LIMIT, Run};
use crate::world::World;

/// Without an entry for this long a cluster is at rest: longer than the interval of every task of its own, but
/// for the search for interrupted creations, which proposes nothing that it has completed.
const REST: Duration = Duration::from_secs(6);

impl Run {
    /// The error names a group whose log moves.
    pub(super) fn rest(&mut self) -> Result<(), String> {
        let until = self.world.now + MEND_LIMIT;
        loop {
            let before = ends(&self.world);
            self.run(REST)?;
            let after = ends(&self.world);
            let Some((group, last)) = after.iter().find(|of| before.get(of.0) != Some(of.1)) else {
                return Ok(());
            };
            if self.world.now >= until {
                self.world.describe();
                let first = before.get(group).copied().unwrap_or_default();
                return Err(format!(
                    "growth: without clients group {group} went from entry {first} to {last} in {REST:?}"
                ));
            }
        }
    }
}

/// The newest entry of each group, at any node.
fn ends(world: &World) -> BTreeMap<GroupId, u64> {
    let mut ends = BTreeMap::new();
    for (_, node) in world.nodes() {
        for (group, _, _, last, _) in node.groups().indexes() {
            let end = ends.entry(group).or_insert(last);
            *end = last.max(*end);
        }
    }
    ends
}
