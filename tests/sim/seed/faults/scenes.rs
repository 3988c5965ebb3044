//! Faults of several steps, each aimed at one rule of elections, leases or moves that random faults
//! seldom test: which nodes are cut off from each other when a leader dies, a voter returns, a move
//! is canceled.
//!
//! A scenario leaves nothing broken for longer than it says, and judges nothing.

use std::time::Duration;

use concordat_cluster::machine::query;
use concordat_node::embedded::EmbeddedNode;
use concordat_proto::{
    id::{GroupId, OrgId},
    region::Region,
};

use super::{FaultPlan, Repair};
use crate::{host::End, operator, world::World};

/// For two voters to elect one of them.
const ELECTION_LIMIT: Duration = Duration::from_secs(5);
/// For an organization to be at home elsewhere: a lease at its longest, and some steps.
const MOVE_LIMIT: Duration = Duration::from_secs(15);

impl FaultPlan {
    /// A node that leads a group, and the others of its region.
    pub(super) fn leader(&mut self, world: &World) -> Option<(usize, Vec<usize>)> {
        let leader = self.any(world, leads_a_region)?;
        let region = &world.hosts[leader].region;
        let others = world.hosts.iter().filter(|it| it.region == *region && it.number != leader);
        Some((leader, others.map(|host| host.number).collect()))
    }

    /// A leader that its voters cannot hear any more, and all others can: it must not continue to
    /// lead for them.
    pub(super) fn old_leader(&mut self, world: &mut World) {
        let Some((leader, others)) = self.leader(world) else { return };
        if others.len() < 2 {
            return;
        }
        world.trace.line(format_args!("{leader} is cut off from its voters {others:?}"));
        cut_apart(world, &[leader], &others);
        self.count("leader without voters", 1);
        let after = self.ms(1500, 4000);
        self.later(world, after, Repair::Network);
        if self.rng.below(2) == 0 {
            // The next leader's first entry is delayed: until then it has not applied everything
            // that the leader before it has acknowledged.
            for other in others {
                world.hosts[other].sync_ms = 100 + self.rng.below(600);
                self.later(world, after, Repair::Disk(other));
            }
            self.count("slow voters", 1);
        }
    }

    /// A leader accepts writes that its voters never get, while they elect another leader that
    /// accepts others: when the network heals its entries are overwritten, and their waiters must
    /// not take the entries at the same indexes for their own.
    pub(super) fn overrule(&mut self, world: &mut World) {
        let Some((leader, others)) = self.leader(world) else { return };
        if others.len() < 2 {
            return;
        }
        world.trace.line(format_args!("{leader} is to be overruled by {others:?}"));
        cut_apart(world, &[leader], &others);
        let elected = world.within(ELECTION_LIMIT, |world| {
            let leads = others.iter().any(|number| leads_a_region(world, *number));
            if leads { Ok(()) } else { Err(String::new()) }
        });
        self.count("leader overruled", u64::from(elected.is_ok()));
        let goes_on = self.ms(1, 300);
        self.later(world, goes_on, Repair::Network);
    }

    /// The nodes are partitioned into two halves; a leader may be on either side.
    pub(super) fn split(&mut self, world: &mut World) {
        let mut halves = [Vec::new(), Vec::new()];
        for number in 0..world.hosts.len() {
            halves[self.rng.place(2)].push(number);
        }
        world.trace.line(format_args!("split: {:?} and {:?}", halves[0], halves[1]));
        cut_apart(world, &halves[0], &halves[1]);
        self.count("split in two", 1);
        let after = self.ms(1000, 6000);
        self.later(world, after, Repair::Network);
    }

    /// A leader with one of its voters and some others on one side, the rest on the other; then that
    /// voter is started again on the other side, where it helps the next leader up.
    pub(super) fn change_sides(&mut self, world: &mut World) {
        let Some((leader, mut others)) = self.leader(world) else { return };
        if others.len() < 2 {
            return;
        }
        let voter = others.swap_remove(self.rng.place(others.len()));
        let (mut here, mut there) = (vec![leader], others.clone());
        // In each other region some nodes are on one side, and some on the other.
        let home = world.hosts[leader].region.clone();
        let far = world.hosts.iter().filter(|host| host.region != home);
        for (side, host) in (self.rng.place(2)..).zip(far) {
            [&mut here, &mut there][side % 2].push(host.number);
        }
        world.trace.line(format_args!("{voter} goes over from {here:?} to {there:?}"));
        cut_apart(world, &here, &there);
        cut_apart(world, &[voter], &there);
        let wait = self.ms(400, 2600);
        world.run(wait);
        world.end(voter, End::Killed);
        world.network.heal_all();
        cut_apart(world, &here, &there);
        cut_apart(world, &here, &[voter]);
        let off = self.ms(2, 60);
        world.run(off);
        if !world.hosts[voter].is_up() {
            world.start(voter);
        }
        self.count("voter changes sides", 1);
        let after = self.ms(1500, 4000);
        self.later(world, after, Repair::Network);
    }

    /// Two of three voters elect one of them while the third is cut off; the one that gave its vote
    /// loses power at once, on a slow disk, and comes back to the third, who may ask for the same term.
    pub(super) fn lose_a_vote(&mut self, world: &mut World) {
        let Some((first, others)) = self.leader(world) else { return };
        let [one, third] = others[..] else { return };
        world.trace.line(format_args!("{first} and {one} elect without {third}"));
        cut_apart(world, &[third], &[first, one]);
        for number in [first, one] {
            world.hosts[number].sync_ms = 50 + self.rng.below(400);
        }
        world.end(first, End::Killed);
        world.start(first);
        let elected = world.within(ELECTION_LIMIT, |world| {
            let leads = [first, one].into_iter().any(|number| leads_a_region(world, number));
            if leads { Ok(()) } else { Err(String::new()) }
        });
        if elected.is_ok() {
            let leader = if leads_a_region(world, first) { first } else { one };
            let voter = first + one - leader;
            world.end(voter, End::PowerLost);
            world.network.heal_all();
            cut_apart(world, &[leader], &[voter, third]);
            world.start(voter);
            self.count("vote given before a power loss", 1);
        }
        let after = self.ms(2500, 3000);
        self.later(world, after, Repair::Network);
        for number in [first, one] {
            self.later(world, after, Repair::Disk(number));
        }
    }

    /// An organization moves on before every node has seen it in its new home: the first home still
    /// has its records, and the second one must not take them for a move to carry out.
    pub(super) fn move_on(&mut self, world: &mut World) {
        let running: Vec<usize> = world.nodes().map(|(number, _)| number).collect();
        let Some(unaware) = running.last().copied().filter(|_| running.len() > 2) else { return };
        if self.orgs.is_empty() {
            return;
        }
        let org = self.orgs[self.rng.place(self.orgs.len())].clone();
        let (to, next) = (self.region(world), self.region(world));
        if home_of(world, &org).is_none_or(|home| home == to) || to == next {
            return;
        }
        let id = world.hosts[unaware].id;
        world.network.cut_node(id);
        if operator::move_home(world, &org, &to) {
            let is_there = world.within(MOVE_LIMIT, |world| match home_of(world, &org) {
                Some(home) if home == to => Ok(()),
                Some(_) | None => Err(String::new()),
            });
            if is_there.is_ok() && operator::move_home(world, &org, &next) {
                world.trace.line(format_args!("{org} moves on to {next}, unknown to {unaware}"));
                self.count("moved on", 1);
            }
        }
        let after = self.ms(1500, 3000);
        self.later(world, after, Repair::Network);
    }

    /// A move is begun, the two homes are cut apart before the old one commits it, and then it is
    /// canceled: the new home must not continue without the commit.
    pub(super) fn move_back_behind_a_cut(&mut self, world: &mut World) {
        if self.orgs.is_empty() {
            return;
        }
        let org = self.orgs[self.rng.place(self.orgs.len())].clone();
        let Some(home) = home_of(world, &org) else { return };
        let to = self.region(world);
        if to == home || !operator::move_home(world, &org, &to) {
            return;
        }
        let wait = self.ms(40, 300);
        world.run(wait);
        world.trace.line(format_args!("{home} is cut off from {to}, and takes {org} back"));
        world.network.cut_link(&home, &to);
        world.network.cut_link(&to, &home);
        let at_home = world.hosts.iter().filter(|host| host.region == home);
        let at_home: Vec<usize> = at_home.map(|host| host.number).collect();
        operator::move_back_at(world, &org, &at_home);
        self.count("move taken back behind a cut", 1);
        let after = self.ms(1000, 9000);
        self.later(world, after, Repair::Network);
    }

    /// A leader dies, and at the same moment a node that holds its leases is cut off: the next
    /// leader must count leases that it never granted.
    pub(super) fn new_leader(&mut self, world: &mut World) {
        let Some((leader, _)) = self.leader(world) else { return };
        let crowded = |world: &World, number: usize| {
            let region = &world.hosts[number].region;
            let beside = world.hosts.iter().filter(|host| host.region == *region).count();
            number != leader && beside >= 2 && world.hosts[number].node().is_some()
        };
        let Some(reader) = self.any(world, crowded) else { return };
        world.trace.line(format_args!("{leader} dies while {reader} is cut off"));
        let id = world.hosts[reader].id;
        world.network.cut_node(id);
        world.end(leader, End::Killed);
        self.count("leader dies beside a cut", 1);
        let after = self.ms(300, 3000);
        self.later(world, after, Repair::Start(leader));
        let after = self.ms(2500, 4000);
        self.later(world, after, Repair::Network);
    }

    /// A node that may be its region group's next leader has lost the newest state of the system
    /// group, and reaches only its own region.
    pub(super) fn go_back(&mut self, world: &mut World) {
        let Some((leader, others)) = self.leader(world) else { return };
        if others.len() < 2 {
            return;
        }
        let number = others[self.rng.place(others.len())];
        let region = &world.hosts[leader].region;
        let far = world.hosts.iter().filter(|host| host.region != *region);
        let far: Vec<usize> = far.map(|host| host.number).collect();
        world.trace.line(format_args!("{number} goes back, and hears nothing of {far:?}"));
        world.end(number, End::PowerLost);
        cut_apart(world, &[number], &far);
        world.start(number);
        let wait = self.ms(1400, 1500);
        world.run(wait);
        world.end(leader, End::Killed);
        self.count("state gone back", 1);
        let after = self.ms(1500, 3000);
        self.later(world, after, Repair::Network);
        self.later(world, after, Repair::Start(leader));
    }
}

/// Whether a node leads the group of some region.
pub(crate) fn leads_a_region(world: &World, number: usize) -> bool {
    let groups = world.hosts[number].node().map(|node| node.groups().indexes());
    groups.into_iter().flatten().any(|(group, .., leads)| leads && group != GroupId::SYSTEM)
}

/// Nothing gets from one to the other.
pub(super) fn cut_apart(world: &World, these: &[usize], those: &[usize]) {
    for one in these {
        for other in those {
            let (one, other) = (world.hosts[*one].id, world.hosts[*other].id);
            world.network.cut_link(one, other);
            world.network.cut_link(other, one);
        }
    }
}

/// The region whose group has an organization, as any running node knows.
fn home_of(world: &World, org: &str) -> Option<Region> {
    let org: OrgId = org.parse().ok()?;
    let (_, node) = world.nodes().next()?;
    let groups = node.groups().indexes();
    let holds = |group: &GroupId| {
        let home = query::home(node.state(), *group, org).ok().flatten();
        home.is_some_and(|home| home.release.is_none())
    };
    let mut others = groups.iter().map(|(group, ..)| *group).filter(|it| *it != GroupId::SYSTEM);
    let group = others.find(holds)?;
    let leads = |node: &EmbeddedNode| {
        node.groups().indexes().iter().any(|(it, .., leads)| *leads && *it == group)
    };
    let (leader, _) = world.nodes().find(|(_, node)| leads(node))?;
    Some(world.hosts[leader].region.clone())
}
