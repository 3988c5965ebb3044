//! Nodes that get a set of policies late.
//!
//! One is cut off from the leader of the system group, and not from an organization's home: the home has noted
//! a set that the node does not see. Its writes wait for the set, and say at their deadline that policies have
//! changed. They are carried out once the set is there.
//!
//! Another one is cut off from the organization's home, and is asked for a read from the position of the
//! organization's own set on: it waits for the set, and then it must know the set.

use std::time::Duration;

use concordat_cluster::{
    machine::policy,
    raft::{ClusterStatus, GroupStatus},
};
use concordat_proto::{
    id::{GroupId, NodeId},
    region::Region,
};
use concordat_tests::{
    demo::Org,
    recorded::{Asked, Carrier, Told},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    clients::Walk,
    operator,
    shape::Shape,
    trace::Trace,
    world::{World, at_once},
};

const LIMIT: Duration = Duration::from_secs(60);
const CREDENTIALS: &str = "/organizations/sso/oidc/provider-credentials";
const WRITE_S: u64 = 2;
const PATIENCE: Duration = Duration::from_secs(10);
/// As deep as that of a seed's program.
const STACK_BYTES: usize = 64 << 20;

/// The nodes that the test is about.
struct Places {
    region: Region,
    group: GroupId,
    /// Leads the home group.
    home: usize,
    /// Leads the system group.
    system: usize,
    /// A learner of the system group: one of its voters would elect another leader.
    apart: usize,
}

fn status(world: &World) -> Option<ClusterStatus> {
    world.nodes().find_map(|(_, node)| at_once(node.groups().status()))
}

fn places(world: &World) -> Option<Places> {
    let status = status(world)?;
    let number = |id: NodeId| world.hosts.iter().position(|host| host.id == id);
    let system = status.groups.iter().find(|it| it.group == GroupId::SYSTEM)?;
    let leader = number(system.leader?)?;
    let place = |group: &GroupStatus| {
        let region = group.region.clone()?;
        let home = number(group.leader?)?;
        let apart = system.learners.iter().filter_map(|id| number(*id));
        let mut apart = apart.filter(|it| *it != home && world.hosts[*it].region == region);
        let places =
            Places { group: group.group, home, system: leader, apart: apart.next()?, region };
        (home != leader).then_some(places)
    };
    status.groups.iter().find_map(place)
}

/// What an organization asks for.
fn asked(
    org: &Org,
    method: &'static str,
    target: &str,
    body: Option<&Value>,
    seconds: u64,
) -> Asked {
    let headers = vec![
        ("slashid-orgid", org.id.clone()),
        ("slashid-api-key", org.api_key.clone()),
        ("slashid-required-consistency", "all_regions".to_owned()),
        ("slashid-required-consistency-timeout", seconds.to_string()),
    ];
    Asked { method, target: target.to_owned(), headers, body: body.map(Value::to_string) }
}

fn answer(told: Told) -> (u16, Value) {
    match told {
        Told::Answer { status, body, .. } => (status, body),
        Told::Nobody | Told::Nothing => panic!("it is not answered"),
    }
}

fn ask(world: &mut World, node: usize, asked: Asked) -> (u16, Value) {
    let mut walk = Walk::at_the_door(&world.client_network, &world.trace);
    answer(world.ask(async move { walk.exchange(node, &asked, PATIENCE).await }))
}

fn create(world: &mut World, org: &Org, node: usize, name: &str) -> (u16, Value) {
    let body = json!({"client_id": name, "client_secret": "a secret", "provider": "google"});
    let mut asked = asked(org, "POST", CREDENTIALS, Some(&body), WRITE_S);
    asked.headers[2].1 = "local_region".to_owned();
    ask(world, node, asked)
}

fn revision(world: &World, number: usize, group: GroupId) -> u64 {
    let node = world.hosts[number].node().expect("it runs");
    policy::revision(node.state(), group).expect("a whole state")
}

fn formed() -> World {
    let mut world = World::of(Shape::far_apart(), 1, Trace::default());
    for number in 0..world.hosts.len() {
        world.start(number);
    }
    world.within(LIMIT, |world| world.ready()).expect("a cluster");
    world
}

fn write_without_the_set() {
    let mut world = formed();
    // The voters of the system group are one by one spread over the regions.
    let spread = |world: &mut World| places(world).map(|_| ()).ok_or_else(|| "no place".to_owned());
    world.within(LIMIT, spread).expect("a learner beside a home's leader");
    let Places { region, .. } = places(&world).expect("as before");
    let org = operator::new_org(&mut world, "Apart", &region).expect("an organization");
    let Places { group, home, system, apart, .. } = places(&world).expect("as before");
    cut(&world, system, apart);
    assert_eq!(create(&mut world, &org, apart, "before").0, 201, "its home is there");
    assert!(operator::set_policies(
        &mut world,
        "forbid (principal, action == Action::\"oidc_delete\", resource);"
    ));
    let is_noted = |world: &mut World| {
        if revision(world, home, group) == 1 { Ok(()) } else { Err("not noted".to_owned()) }
    };
    world.within(LIMIT, is_noted).expect("the home takes note");
    assert_eq!(revision(&world, apart, GroupId::SYSTEM), 0, "it does not see the set");
    let begun = world.now;
    let (status, body) = create(&mut world, &org, apart, "meanwhile");
    assert_eq!(status, 503, "{body}");
    let said = "policies changed while the request was carried out; nothing was stored";
    assert_eq!(body["errors"][0]["message"], said, "{body}");
    assert!(world.now - begun >= Duration::from_secs(WRITE_S), "it waits for the set");
    world.network.heal_all();
    let is_seen = |world: &mut World| {
        if revision(world, apart, GroupId::SYSTEM) == 1 { Ok(()) } else { Err(String::new()) }
    };
    world.within(LIMIT, is_seen).expect("the set arrives");
    assert_eq!(create(&mut world, &org, apart, "meanwhile").0, 201, "nothing was stored before");
}

fn cut(world: &World, one: usize, other: usize) {
    let [one, other] = [one, other].map(|number| world.hosts[number].id);
    world.network.cut_link(one, other);
    world.network.cut_link(other, one);
}

fn read_that_waits_for_the_set() {
    let mut world = formed();
    let region = world.shape.regions[0].clone();
    let org = operator::new_org(&mut world, "Apart", &region).expect("an organization");
    let home = |world: &World| {
        let status = status(world)?;
        let group = status.groups.iter().find(|it| it.region.as_ref() == Some(&region))?;
        world.hosts.iter().position(|host| Some(host.id) == group.leader)
    };
    let home = home(&world).expect("a leader");
    assert_eq!(create(&mut world, &org, home, "web").0, 201);
    // In the last region, where others have the set in time.
    let apart = world.hosts.len() - 1;
    world.run(Duration::from_secs(2));
    cut(&world, home, apart);
    let text = "forbid (principal, action == Action::\"oidc_get\", resource);";
    let set = asked(&org, "PUT", "/organizations/policies", Some(&json!({"policies": text})), 8);
    let (status, body) = ask(&mut world, home, set);
    assert_eq!(status, 200, "{body}");
    let position = body["meta"]["consistency"]["position"].as_str().expect("a position");
    let mut read = asked(&org, "GET", &format!("{CREDENTIALS}/web"), None, 8);
    assert_eq!(ask(&mut world, apart, read.clone()).0, 200, "it does not have the set yet");
    read.headers.push(("concordat-at-least", position.to_owned()));
    let mut walk = Walk::at_the_door(&world.client_network, &world.trace);
    let network = world.network.clone();
    let heals = async move {
        sleep(Duration::from_secs(1)).await;
        network.heal_all();
    };
    let reads = async move { walk.exchange(apart, &read, PATIENCE).await };
    let (told, ()) = world.ask(async move { tokio::join!(reads, heals) });
    let (status, body) = answer(told);
    assert_eq!(status, 403, "it has the set by then: {body}");
}

fn played(play: fn()) {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(play);
    thread.expect("a thread").join().expect("as it ought to be");
}

#[test]
fn a_write_that_waits_for_policies_in_vain_says_that_they_have_changed() {
    played(write_without_the_set);
}

#[test]
fn a_read_that_waits_for_a_set_of_policies_is_decided_by_it() {
    played(read_that_waits_for_the_set);
}
