//! Many organizations move at once, by a script, without any other fault: the cost of a move for
//! its writers must not depend on their number.
//!
//! It begins the moves and judges nothing; `invariants/frozen.rs` does.

use std::time::Duration;

use concordat_cluster::machine::query;
use concordat_node::embedded::EmbeddedNode;
use concordat_proto::{id::OrgId, region::Region};
use concordat_tests::{
    recorded::{Asked, Carrier, Told},
    rng::Rng,
};
use serde_json::json;
use tokio::{task::JoinHandle, time::sleep};

use super::FaultPlan;
use crate::{clients::Walk, operator, world::World};

/// Three times as many as may be on their way at once.
const MOVES: usize = 24;
/// For one answer: longer than the node waits.
const PATIENCE: Duration = Duration::from_secs(12);

/// The moves that were asked for.
pub(crate) struct ManyMoves {
    orgs: Vec<OrgId>,
    to: Region,
    asking: Vec<JoinHandle<()>>,
}

impl ManyMoves {
    /// Whether all of them have their home there, as every running node knows.
    pub(crate) fn have_arrived(&self, world: &World) -> bool {
        let is_there = |node: &EmbeddedNode, org: &OrgId| {
            let groups = node.groups().home_groups().into_iter();
            let mut there = groups.filter(|(_, region)| *region == self.to);
            there.any(|(group, _)| {
                let home = query::home(node.state(), group, *org).ok().flatten();
                home.is_some_and(|home| home.release.is_none())
            })
        };
        self.asking.iter().all(JoinHandle::is_finished)
            && world.nodes().all(|(_, node)| self.orgs.iter().all(|org| is_there(node, org)))
    }
}

impl FaultPlan {
    /// Makes organizations in one region, and asks for all of them to move to another one.
    pub(crate) fn many_moves(
        &mut self,
        world: &mut World,
        rng: &mut Rng,
    ) -> Result<ManyMoves, String> {
        let regions = world.shape.regions.clone();
        let from = rng.place(regions.len());
        let to = (from + 1 + rng.place(regions.len() - 1)) % regions.len();
        let (from, to) = (regions[from].clone(), regions[to].clone());
        let mut orgs = Vec::new();
        for number in 0..MOVES {
            let org = operator::new_org(world, &format!("Mover {number}"), &from)?;
            orgs.push(org.id.parse::<OrgId>().map_err(|error| error.to_string())?);
        }
        world.trace.line(format_args!("{MOVES} organizations are asked to move to {to} at once"));
        let asking = orgs.iter().enumerate().map(|(number, org)| ask(world, number, *org, &to));
        let asking = asking.collect();
        self.count("many moves at once", 1);
        Ok(ManyMoves { orgs, to, asking })
    }
}

/// Asks for a move at one node after the other, until it has begun.
fn ask(world: &World, number: usize, org: OrgId, to: &Region) -> JoinHandle<()> {
    let mut walk = Walk::new(&world.client_network, None, &world.trace);
    let asked = Asked {
        method: "POST",
        target: format!("/v1/organizations/{org}/move"),
        headers: vec![
            ("slashid-api-key", world.operator_key.clone()),
            ("slashid-required-consistency-timeout", "10".to_owned()),
        ],
        body: Some(json!({"home_region": to.as_str()}).to_string()),
    };
    let nodes = world.hosts.len();
    world.clients().spawn(async move {
        for attempt in 0.. {
            match walk.exchange((number + attempt) % nodes, &asked, PATIENCE).await {
                Told::Answer { status: 408 | 429 | 503, .. } | Told::Nobody | Told::Nothing => {
                    sleep(Duration::from_millis(200)).await;
                }
                Told::Answer { .. } => return,
            }
        }
    })
}
