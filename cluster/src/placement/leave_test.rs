//! Blockers by examples, with their texts.

use concordat_proto::{
    log::LogIndex,
    org::{RegionState, SurvivalGoal},
    region::Region,
};

use super::*;

fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

/// Nodes 1 to 3 in one region, 4 to 6 in another.
fn nodes() -> BTreeMap<NodeId, NodeRecord> {
    let of = |id: u64| NodeRecord {
        id: NodeId(id),
        region: region(if id <= 3 { "east" } else { "west" }),
        peer_address: String::new(),
        api_url: String::new(),
        state: NodeState::Member,
        replaced_by: None,
    };
    (1..=6).map(|id| (NodeId(id), of(id))).collect()
}

fn view(group: u32, home: Option<&str>, voters: &[u64], live: &[u64]) -> GroupView {
    GroupView {
        group: GroupId(group),
        home: home.map(region),
        survival_goal: SurvivalGoal::Node,
        leaving: BTreeSet::new(),
        voters: voters.iter().copied().map(NodeId).collect(),
        outgoing_voters: None,
        learners: BTreeSet::new(),
        leader: NodeId(1),
        last_index: LogIndex(0),
        matched: BTreeMap::new(),
        live: live.iter().copied().map(NodeId).collect(),
    }
}

fn east(group: u32) -> RegionRecord {
    RegionRecord {
        region: region("east"),
        group: GroupId(group),
        founder: NodeId(1),
        state: RegionState::Open,
        voter_region: region("east"),
    }
}

#[test]
fn a_node_leaves_unless_a_founded_group_would_lose_its_quorum() {
    let of = |views: &[GroupView], id, state| node_blocker(views, &nodes(), NodeId(id), state);
    let whole = [view(1, Some("east"), &[1, 2, 3], &[1, 2, 3])];
    assert_eq!(of(&whole, 3, NodeState::Leaving), None);
    let one_down = [view(1, Some("east"), &[1, 2, 3], &[1, 2])];
    let blocker = of(&one_down, 1, NodeState::Draining).expect("one of two would live");
    assert_eq!(
        blocker.to_string(),
        "group 1 would lose its quorum: of the 2 nodes that would vote only 1 is alive"
    );
    assert_eq!(of(&one_down, 1, NodeState::Member), None, "nothing is taken away");
    assert_eq!(of(&one_down, 9, NodeState::Leaving), None, "no such node");
    let lost = [view(1, Some("east"), &[1, 2, 3], &[1])];
    let text = of(&lost, 2, NodeState::Leaving).expect("no quorum").to_string();
    assert_eq!(text, "group 1 has no quorum of live voters now: nothing about it can be changed");
    assert_eq!(of(&[view(1, Some("east"), &[], &[])], 1, NodeState::Leaving), None, "not founded");
}

#[test]
fn a_region_leaves_unless_another_group_needs_its_nodes() {
    let own = view(1, Some("east"), &[1, 2, 3], &[1]);
    let system = |voters: &[u64], live: &[u64]| view(0, None, voters, live);
    let of = |views: &[GroupView]| region_blocker(views, &nodes(), &east(1));
    assert_eq!(of(&[own.clone(), system(&[1, 4, 5], &[1, 4, 5])]), None, "its own goes with it");
    let blocker = of(&[own, system(&[1, 4, 5], &[1, 4])]).map(RegionBlocker::from);
    assert_eq!(
        blocker.expect("too few").to_string(),
        "group 0 would lose its quorum: of the 3 nodes that would vote only 1 is alive"
    );
    let nowhere: BTreeMap<_, _> = nodes().into_iter().take(3).collect();
    let alone = [system(&[1, 2, 3], &[1, 2, 3])];
    let text = region_blocker(&alone, &nowhere, &east(1)).expect("nobody is left").to_string();
    assert_eq!(text, "group 0 would have no voter left");
    let org = OrgId::from_bytes([7; 16]);
    assert_eq!(
        RegionBlocker::OrgAtHome { org }.to_string(),
        format!("organization {org} is at home there: move it to another region")
    );
}

#[test]
fn a_group_is_founded_anew_only_when_nobody_has_anything_of_it() {
    let of = |has_own, holders: &[u64]| {
        let ids = [1, 2, 3].map(NodeId).into_iter();
        recreate_blocker(GroupId(4), (NodeId(2), has_own), ids, |node| holders.contains(&node.0))
    };
    assert_eq!(of(false, &[]), None);
    assert_eq!(of(true, &[1]).map(|it| it.holder), Some(NodeId(2)), "this node itself");
    let text = of(false, &[3]).expect("node 3 has some").to_string();
    let holder = NodeId(3);
    assert_eq!(text, format!("group 4 has been founded: node {holder} has entries of it"));
}
