//! A data directory that is restored to an older copy, as backups and machine snapshots tempt
//! people to do: its node has acknowledged entries that it does not have any more. Its peers must
//! tell it so, and it must stop, before it takes part.
//!
//! Nothing else is wrong meanwhile. The node is wiped then, as its last log line advises.

use std::time::Duration;

use concordat_proto::id::GroupId;
use concordat_tests::rng::Rng;

use super::{MEND_LIMIT, Run};
use crate::{clients::Gate, faults::scenes::leads_a_region, host::End, world::World};

/// One seed in this many.
const ONE_IN: u64 = 4;
/// Clients write on for so long while the copy gets old.
const AGE: Duration = Duration::from_secs(2);
/// For what was applied to be reported.
const REPORT_TIME: Duration = Duration::from_secs(1);
/// For the node to ask its peers and to stop.
const NOTICE_LIMIT: Duration = Duration::from_secs(10);

impl Run {
    /// Puts the directory of a voter back, in some runs.
    pub(super) fn put_back(&mut self) -> Result<(), String> {
        let mut rng = Rng::new(self.seed ^ 0x01d_c0b9);
        if rng.below(ONE_IN) != 0 {
            return Ok(());
        }
        let Some(number) = voter_of_three(&self.world, &mut rng) else { return Ok(()) };
        self.world.end(number, End::Killed);
        let copy = self.world.hosts[number].copied();
        self.world.start(number);
        let is_back = self.world.within(MEND_LIMIT, |world| world.ready());
        is_back.map_err(|reason| format!("liveness: {reason}"))?;
        let before = applied(&self.world, number);
        self.run(AGE)?;
        self.hold()?;
        self.agree()?;
        self.run(REPORT_TIME)?;
        if applied(&self.world, number) == before {
            self.work().gate.send_replace(Gate::Open);
            return Ok(());
        }
        self.world.end(number, End::Killed);
        self.world.trace.line(format_args!("the directory of {number} is put back"));
        self.world.hosts[number].put_back(copy);
        self.world.start(number);
        let noticed = self.world.within(NOTICE_LIMIT, |world| {
            let fault = world.hosts[number].fault();
            match fault {
                Some(fault) if fault.contains("older copy") => Ok(()),
                other => Err(format!(
                    "copies: the directory of {number} was put back to an older copy, and it says \
                     {other:?}"
                )),
            }
        });
        noticed?;
        self.fault_plan.count("directory put back", 1);
        self.world.end(number, End::Killed);
        self.world.wipe(number);
        self.work().gate.send_replace(Gate::Open);
        self.repair("after a directory was put back")
    }
}

/// A voter among three that does not lead: the two others continue without it.
fn voter_of_three(world: &World, rng: &mut Rng) -> Option<usize> {
    let beside = |number: &usize| {
        let region = &world.shape.nodes[*number];
        world.shape.nodes.iter().filter(|other| *other == region).count()
    };
    let all = 0..world.shape.nodes.len();
    let fitting = all.filter(|it| beside(it) >= 3 && !leads_a_region(world, *it));
    let fitting: Vec<usize> = fitting.collect();
    (!fitting.is_empty()).then(|| fitting[rng.place(fitting.len())])
}

/// How far a node has applied each group.
fn applied(world: &World, number: usize) -> Vec<(GroupId, u64)> {
    let groups = world.hosts[number].node().map(|node| node.groups().indexes());
    groups.into_iter().flatten().map(|(group, _, applied, ..)| (group, applied)).collect()
}
