//! A process never shows less of a group than before: the index of its reads never goes back while
//! it lives, nor does its term.

use std::collections::BTreeMap;

use concordat_proto::id::GroupId;

use crate::world::World;

/// A node, and which of its processes.
type Life = (u64, u64);

#[derive(Default)]
pub(super) struct Progress(BTreeMap<(Life, GroupId), (u64, u64)>);

impl Progress {
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        for (number, node) in world.nodes() {
            let host = &world.hosts[number];
            for (group, term, applied, ..) in node.groups().indexes() {
                self.note((host.id.0, host.lives()), group, (term, applied))
                    .map_err(|reason| format!("progress: node {number}, {reason}"))?;
            }
        }
        Ok(())
    }

    fn note(&mut self, life: Life, group: GroupId, now: (u64, u64)) -> Result<(), String> {
        let shown = self.0.entry((life, group)).or_default();
        if shown.0 > now.0 || shown.1 > now.1 {
            return Err(format!(
                "group {group}: from term {} and index {} to {} and {}",
                shown.0, shown.1, now.0, now.1
            ));
        }
        *shown = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_does_not_go_back() {
        let (group, one) = (GroupId(1), (7, 1));
        let seen = |now| {
            let mut progress = Progress::default();
            progress.note(one, group, (2, 10)).expect("the first is as good as any");
            progress.note(one, group, now)
        };
        assert_eq!(seen((2, 10)), Ok(()));
        assert_eq!(seen((3, 10)), Ok(()));
        assert!(seen((3, 9)).is_err());
        assert!(seen((1, 11)).is_err());
    }

    #[test]
    fn the_next_process_may_begin_earlier() {
        let mut progress = Progress::default();
        progress.note((7, 1), GroupId(1), (2, 10)).expect("nothing before");
        assert_eq!(progress.note((7, 2), GroupId(1), (1, 4)), Ok(()));
        assert_eq!(progress.note((8, 1), GroupId(1), (1, 4)), Ok(()));
        assert_eq!(progress.note((7, 1), GroupId(2), (1, 4)), Ok(()));
    }
}
