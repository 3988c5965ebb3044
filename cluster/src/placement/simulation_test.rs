//! Placement in a random world: nodes join, fail, restart, are replaced, drained and removed;
//! regions leave; the survival goal changes; changes stop halfway; leaders change. Then the faults
//! end, and the group must reach the desired membership.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    id::{GroupId, NodeId},
    log::LogIndex,
    org::{NodeRecord, NodeState, SurvivalGoal},
    region::Region,
};
use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Debug, Clone, Copy)]
enum Event {
    Join(u8),
    Replace(usize),
    /// An operator sets a node's state.
    Mark(usize, NodeState),
    /// A region begins to leave, or stays after all.
    Leave(u8, bool),
    SurvivalGoal(SurvivalGoal),
    Kill(usize),
    Revive(usize),
    Write(u64),
    CatchUp(usize),
    Elect(usize),
    /// Take the next step. If it changes voters, it stops halfway when the flag is set.
    Step(bool),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let at = 0_usize..12;
    let event = prop_oneof![
        3 => (0_u8..4).prop_map(Event::Join),
        2 => at.clone().prop_map(Event::Replace),
        4 => (at.clone(), mark()).prop_map(|(at, state)| Event::Mark(at, state)),
        1 => (0_u8..4, any::<bool>()).prop_map(|(number, leaves)| Event::Leave(number, leaves)),
        1 => prop_oneof![Just(SurvivalGoal::Node), Just(SurvivalGoal::Region)].prop_map(Event::SurvivalGoal),
        2 => at.clone().prop_map(Event::Kill),
        2 => at.clone().prop_map(Event::Revive),
        2 => (0_u64..1500).prop_map(Event::Write),
        6 => at.clone().prop_map(Event::CatchUp),
        1 => at.prop_map(Event::Elect),
        8 => any::<bool>().prop_map(Event::Step),
    ];
    vec(event, 0..80)
}

fn mark() -> impl Strategy<Value = NodeState> {
    prop_oneof![
        1 => Just(NodeState::Member),
        2 => Just(NodeState::Draining),
        2 => Just(NodeState::Leaving),
        2 => Just(NodeState::Removed),
    ]
}

struct World {
    nodes: BTreeMap<NodeId, NodeRecord>,
    view: GroupView,
}

impl World {
    fn new(at_home: bool) -> Self {
        let first = NodeId(1);
        let view = GroupView {
            group: GroupId(1),
            home: at_home.then(|| region(0)),
            survival_goal: SurvivalGoal::Node,
            leaving: BTreeSet::new(),
            voters: BTreeSet::from([first]),
            outgoing_voters: None,
            learners: BTreeSet::new(),
            leader: first,
            last_index: LogIndex(1),
            matched: BTreeMap::from([(first, LogIndex(1))]),
            live: BTreeSet::from([first]),
        };
        Self { nodes: BTreeMap::from([(first, record(first, 0))]), view }
    }

    fn nth(&self, at: usize) -> Option<NodeId> {
        self.nodes.keys().nth(at).copied()
    }

    fn join(&mut self, region: Region) -> NodeId {
        // Ids of no order: every third step of the numbers below 1009.
        let id = NodeId((self.nodes.len() as u64 * 337) % 1009 + 2);
        self.nodes.insert(id, NodeRecord { region, ..record(id, 0) });
        self.view.live.insert(id);
        id
    }

    /// Whether the group can lose a node: quorums stay, and a node with the whole log can lead.
    fn can_lose(&self, node: NodeId) -> bool {
        let mut live = self.view.live.clone();
        live.remove(&node);
        let successor = self.level_voters().any(|voter| voter != node);
        self.quorums_live(&live) && (node != self.view.leader || successor)
    }

    fn quorums_live(&self, live: &BTreeSet<NodeId>) -> bool {
        let has = |voters: &BTreeSet<NodeId>| voters.intersection(live).count() * 2 > voters.len();
        has(&self.view.voters) && self.view.outgoing_voters.as_ref().is_none_or(has)
    }

    fn level_voters(&self) -> impl Iterator<Item = NodeId> {
        let level = |node: &&NodeId| {
            self.view.live.contains(node)
                && self.view.matched.get(node) == Some(&self.view.last_index)
        };
        self.view.voters.iter().filter(level).copied()
    }

    fn lose(&mut self, node: NodeId) {
        self.view.live.remove(&node);
        if node == self.view.leader {
            let successor = self.level_voters().next();
            self.view.leader = successor.expect("checked by can_lose");
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Join(number) => drop(self.nodes.len() < 12 && self.join(region(number)).0 > 0),
            Event::Replace(at) => {
                let Some(old) = self.nth(at) else { return };
                if self.nodes[&old].is_there() && self.can_lose(old) {
                    self.lose(old);
                    let new = self.join(self.nodes[&old].region.clone());
                    self.nodes.get_mut(&old).expect("it is there").replaced_by = Some(new);
                }
            }
            Event::Mark(at, state) => {
                if let Some(node) = self.nth(at) {
                    self.mark(node, state);
                }
            }
            Event::Leave(number, leaves) => {
                let region = region(number);
                let stays = |node: &NodeRecord| {
                    node.region != region && !self.view.leaving.contains(&node.region)
                };
                if !leaves {
                    self.view.leaving.remove(&region);
                } else if self.nodes.values().any(|node| node.may_vote() && stays(node)) {
                    self.view.leaving.insert(region);
                }
            }
            Event::SurvivalGoal(survival_goal) => self.view.survival_goal = survival_goal,
            Event::Kill(at) => {
                if let Some(node) = self.nth(at).filter(|node| self.can_lose(*node)) {
                    self.lose(node);
                }
            }
            Event::Revive(at) => {
                let Some(node) = self.nth(at) else { return };
                if self.nodes[&node].is_there() {
                    self.view.live.insert(node);
                }
            }
            Event::Write(entries) => {
                self.view.last_index.0 += entries;
                self.view.matched.insert(self.view.leader, self.view.last_index);
            }
            Event::CatchUp(at) => {
                if let Some(node) = self.nth(at) {
                    self.catch_up(node);
                }
            }
            Event::Elect(at) => {
                let leader = self.level_voters().nth(at);
                self.view.leader = leader.unwrap_or(self.view.leader);
            }
            Event::Step(half_way) => drop(self.take_step(half_way)),
        }
    }

    /// As the machine's rules allow it. A removal may be applied while the node still votes here:
    /// the node that checked had an old view.
    fn mark(&mut self, id: NodeId, state: NodeState) {
        let node = &self.nodes[&id];
        let others_vote =
            |other: &NodeRecord| other.id != id && other.region == node.region && other.may_vote();
        let allowed =
            node.is_there() && (state == NodeState::Member || self.nodes.values().any(others_vote));
        if state == NodeState::Removed {
            if !allowed || node.state != NodeState::Leaving || !self.can_lose(id) {
                return;
            }
            self.lose(id);
        }
        if allowed {
            self.nodes.get_mut(&id).expect("it is there").state = state;
        }
    }

    /// Removes those that are leaving and are not needed here any more.
    fn retire(&mut self) -> bool {
        let mut retired = false;
        for node in self.nodes.values_mut().filter(|node| node.state == NodeState::Leaving) {
            if node.is_there() && is_free(&self.view, &BTreeSet::from([node.id])) {
                node.state = NodeState::Removed;
                self.view.live.remove(&node.id);
                retired = true;
            }
        }
        retired
    }

    fn catch_up(&mut self, node: NodeId) {
        let member = self.view.voters.contains(&node) || self.view.learners.contains(&node);
        if member && self.view.live.contains(&node) {
            self.view.matched.insert(node, self.view.last_index);
        }
    }

    /// Takes the next step, if there is one, after checking that it is safe.
    fn take_step(&mut self, half_way: bool) -> bool {
        let desired = desired(&self.view, &self.nodes);
        self.check_desired(&desired);
        let Some(step) = next_step(&self.view, &self.nodes) else { return false };
        match step {
            Step::AddLearners(added) => {
                for node in &added {
                    assert!(self.nodes[node].is_there());
                    assert!(!self.view.voters.contains(node) && self.view.learners.insert(*node));
                }
            }
            Step::RemoveLearners(gone) => {
                for node in &gone {
                    assert!(!self.nodes[node].is_there(), "only the replaced and removed go");
                    assert!(self.view.learners.remove(node));
                    self.view.matched.remove(node);
                }
            }
            Step::TransferLeader(to) => {
                let behind = self.view.last_index.0 - self.view.matched[&to].0;
                assert!(self.view.voters.contains(&to) && self.view.live.contains(&to));
                assert!(behind <= CAUGHT_UP_ENTRIES, "far behind");
                assert_ne!(to, self.view.leader);
                // The caller waits until its log is equal.
                self.view.matched.insert(to, self.view.last_index);
                self.view.leader = to;
            }
            Step::ChangeVoters(target) => self.change_voters(target, &desired, half_way),
        }
        true
    }

    fn change_voters(&mut self, target: BTreeSet<NodeId>, desired: &Desired, half_way: bool) {
        assert!(self.quorums_live(&self.view.live), "the present quorums must agree to it");
        assert!(target.contains(&self.view.leader) || self.view.outgoing_voters.is_some());
        let view = &mut self.view;
        match view.outgoing_voters.take() {
            Some(outgoing) => {
                assert_eq!(target, view.voters, "a change half-way is finished, not changed");
                view.learners.extend(outgoing.difference(&target));
            }
            None => {
                let removed = view.voters.difference(&target).count();
                let added: Vec<NodeId> = target.difference(&view.voters).copied().collect();
                for node in &added {
                    assert!(view.learners.remove(node) && view.live.contains(node));
                    assert!(view.last_index.0 - view.matched[node].0 <= CAUGHT_UP_ENTRIES);
                    assert!(self.nodes[node].may_vote());
                }
                let last = target == desired.voters && target.len() < view.voters.len();
                assert!(removed <= added.len() || last, "removes more than it brings");
                let outgoing = std::mem::replace(&mut view.voters, target);
                if half_way {
                    view.outgoing_voters = Some(outgoing);
                } else {
                    view.learners.extend(outgoing.difference(&view.voters));
                }
            }
        }
        assert!(self.quorums_live(&self.view.live), "the new quorum lives");
        if !self.view.voters.contains(&self.view.leader) {
            // The joint change was begun under another leader; the library lets this one step down.
            self.view.leader = *self.view.voters.intersection(&self.view.live).next().unwrap();
            self.view.matched.insert(self.view.leader, self.view.last_index);
        }
    }

    fn check_desired(&self, desired: &Desired) {
        let home = self.view.home.as_ref();
        let may_vote = |node: &&NodeRecord| {
            let stays = !self.view.leaving.contains(&node.region) || Some(&node.region) == home;
            node.may_vote() && stays
        };
        let mut candidates: BTreeMap<&Region, usize> = BTreeMap::new();
        for node in self.nodes.values().filter(may_vote) {
            *candidates.entry(&node.region).or_default() += 1;
        }
        let mut voters_by_region: BTreeMap<&Region, usize> = BTreeMap::new();
        for node in &desired.voters {
            assert!(!desired.learners.contains(node));
            assert!(may_vote(&&self.nodes[node]));
            *voters_by_region.entry(&self.nodes[node].region).or_default() += 1;
        }
        let members = desired.voters.len() + desired.learners.len();
        let there = self.nodes.values().filter(|node| node.is_there()).count();
        assert_eq!(members, there, "everybody has a place");
        match (home, self.view.survival_goal) {
            (None, _) => check_spread(&candidates, &voters_by_region),
            (Some(home), SurvivalGoal::Region) if candidates.len() >= SPREAD_REGIONS_MIN => {
                check_outlives_a_region(home, &candidates, &voters_by_region);
            }
            (Some(home), _) => {
                assert_eq!(voters_by_region.keys().collect::<Vec<_>>(), [&home]);
                assert_eq!(voters_by_region[home], candidates[home].min(HOME_VOTERS_MAX));
            }
        }
        let mut after = self.view.clone();
        after.voters.clone_from(&desired.voters);
        assert_eq!(super::desired(&after, &self.nodes), *desired, "what is desired stays desired");
    }

    /// All present nodes live, and no more entries are written.
    fn make_peace(&mut self) {
        let back = self.nodes.values().filter(|node| node.is_there());
        self.view.live.extend(back.map(|node| node.id));
    }
}

fn check_spread(
    candidates: &BTreeMap<&Region, usize>,
    voters_by_region: &BTreeMap<&Region, usize>,
) {
    let total: usize = voters_by_region.values().sum();
    assert!(total <= SYSTEM_VOTERS_MAX);
    assert_eq!(
        voters_by_region.len(),
        candidates.len().min(SYSTEM_VOTERS_MAX),
        "as many regions as can be"
    );
    assert!(
        total % 2 == 1 || total == voters_by_region.len(),
        "odd, unless that took a region's only voter"
    );
    let per_region = if candidates.len() == 1 { 3 } else { SYSTEM_VOTERS_PER_REGION_MAX };
    let most = voters_by_region.values().copied().max().unwrap();
    assert!(most <= per_region);
    for (region, nodes) in candidates {
        let taken = voters_by_region.get(region).copied().unwrap_or(0);
        let even = taken + 1 >= most || taken == (*nodes).min(per_region);
        assert!(even, "a region has two more than another that could have one more");
    }
}

fn check_outlives_a_region(
    home: &Region,
    candidates: &BTreeMap<&Region, usize>,
    voters_by_region: &BTreeMap<&Region, usize>,
) {
    let total: usize = voters_by_region.values().sum();
    for (region, taken) in voters_by_region {
        assert!((total - taken) * 2 > total, "without {region} no quorum: {voters_by_region:?}");
    }
    let possible: usize = candidates.values().map(|nodes| (*nodes).min(2)).sum();
    assert_eq!(total, if possible >= SPREAD_VOTERS_MAX { 5 } else { 3 });
    let at_home = candidates[home].min(if total == 5 { 2 } else { 1 });
    assert_eq!(voters_by_region.get(home), Some(&at_home), "home comes first");
}

fn region(number: u8) -> Region {
    Region::new(format!("r{number}")).unwrap()
}

fn record(id: NodeId, of_region: u8) -> NodeRecord {
    NodeRecord {
        id,
        region: region(of_region),
        peer_address: String::new(),
        api_url: String::new(),
        replaced_by: None,
        state: NodeState::Member,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn every_step_is_safe_and_peace_brings_what_is_desired(
        at_home: bool,
        events in events(),
        half_way: bool,
    ) {
        let mut world = World::new(at_home);
        for event in events {
            world.on_event(event);
        }
        // With the dead still dead, steps come to an end too.
        let mut steps = 0;
        while world.take_step(half_way) {
            steps += 1;
            prop_assert!(steps < 40, "it does not come to rest");
        }
        world.make_peace();
        steps = 0;
        loop {
            for node in world.nodes.keys().copied().collect::<Vec<_>>() {
                world.catch_up(node);
            }
            if !world.take_step(half_way) && !world.retire() {
                break;
            }
            steps += 1;
            prop_assert!(steps < 40, "it does not arrive");
        }
        let desired = desired(&world.view, &world.nodes);
        prop_assert_eq!(&world.view.voters, &desired.voters);
        prop_assert_eq!(&world.view.learners, &desired.learners);
        prop_assert!(desired.voters.contains(&world.view.leader));
        let leader = &world.nodes[&world.view.leader].region;
        let home = world.view.home.as_ref();
        let at_home = |node: &NodeId| Some(&world.nodes[node].region) == home;
        prop_assert!(!desired.voters.iter().any(at_home) || Some(leader) == home, "it leads away");
        prop_assert!(world.nodes.values().all(|node| node.state != NodeState::Leaving
            || !node.is_there()));
        prop_assert_eq!(&world.view.outgoing_voters, &None);
    }
}
