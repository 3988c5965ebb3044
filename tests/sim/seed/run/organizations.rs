//! Seeds in which organizations are made and ended: what must hold once everything is quiet. A suborganization
//! is where its parent is; one that has ended has no home, and its keys open nothing; one that lives opens
//! every node.
//!
//! In the other seeds nothing is asked or looked at differently.

use std::{sync::Arc, time::Duration};

use concordat_cluster::machine::locate::{Located, locate};
use concordat_node::embedded::EmbeddedNode;
use concordat_proto::id::{GroupId, OrgId};
use concordat_tests::{
    demo::Org,
    recorded::{Asked, Carrier, Told},
};
use tokio::time::sleep;

use super::{MEND_LIMIT, Run};
use crate::{
    clients::{Founder, Life, Made, Walk, Work, has_ends},
    world::World,
};
use concordat_cluster::locks::locked;

const PATIENCE: Duration = Duration::from_secs(6);
const ATTEMPTS: usize = 60;

impl Run {
    pub(super) fn begin_organizations(&mut self, work: &Arc<Work>) {
        if has_ends(self.seed) {
            let founder = Founder::new(work, &self.world.operator_key, &self.world.shape.regions);
            self.clients.push(tokio::spawn(founder.works()));
        }
    }

    pub(super) fn judge_organizations(&mut self) -> Result<(), String> {
        let work = self.work();
        let made = locked(&work.made).clone();
        let followed = self.world.within(MEND_LIMIT, |world| {
            made.iter()
                .filter(|made| made.life == Life::Lives)
                .try_for_each(|it| follows(world, it))
        });
        followed.map_err(|reason| format!("liveness: {reason}"))?;
        for made in &made {
            let opens = match made.life {
                Life::Lives => true,
                Life::Ended => false,
                Life::MayHaveEnded => continue,
            };
            if !opens {
                has_no_home(&self.world, &made.org)?;
            }
            let walk = Walk::new(&work.client_network, None, &work.trace);
            let (org, nodes) = (made.org.clone(), work.places.len());
            self.world.ask(opens_everywhere(walk, org, nodes, opens))?;
        }
        Ok(())
    }

    pub(super) fn count_organizations(&mut self) {
        let met = self.world.client_network.met();
        self.fault_plan.count("organizations made beside faults", met.made);
        self.fault_plan.count("organizations ended beside faults", met.ended);
    }
}

fn parsed(id: &str) -> Result<OrgId, String> {
    id.parse().map_err(|error| format!("{id}: {error}"))
}

fn found(node: &EmbeddedNode, id: &str) -> Result<Option<Located>, String> {
    let groups: Vec<GroupId> =
        node.groups().home_groups().into_iter().map(|(group, _)| group).collect();
    locate(node.state(), &groups, parsed(id)?).map_err(|error| error.to_string())
}

/// Whether a suborganization has its home where its parent has it, as every node knows.
fn follows(world: &World, made: &Made) -> Result<(), String> {
    let Some(parent) = &made.parent else { return Ok(()) };
    for (number, node) in world.nodes() {
        let at = |id: &str| -> Result<Option<GroupId>, String> {
            Ok(found(node, id)?.filter(Located::is_settled).map(|found| found.group))
        };
        let (own, parents) = (at(&made.org.id)?, at(parent)?);
        if own.is_none() || own != parents {
            let id = &made.org.id;
            return Err(format!(
                "{number}: {id} is in {own:?}, its parent {parent} in {parents:?}"
            ));
        }
    }
    Ok(())
}

/// Whether every group that still knows an organization knows that it has ended.
fn has_no_home(world: &World, org: &Org) -> Result<(), String> {
    for (number, node) in world.nodes() {
        let home = found(node, &org.id)?;
        if let Some(home) = home.filter(|found| !found.home.is_ended()) {
            let (id, group) = (&org.id, home.group);
            return Err(format!("ended: {id} has ended, and lives in {group} at node {number}"));
        }
    }
    Ok(())
}

/// Whether each node opens, or none does, in a fresh answer.
async fn opens_everywhere(
    mut walk: Walk,
    org: Org,
    nodes: usize,
    opens: bool,
) -> Result<(), String> {
    let headers = vec![
        ("slashid-orgid", org.id.clone()),
        ("slashid-api-key", org.api_key.clone()),
        ("concordat-read-mode", "current".to_owned()),
    ];
    let asked = Asked { method: "GET", target: "/organizations".to_owned(), headers, body: None };
    for node in 0..nodes {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            if let Told::Answer { status: status @ (200 | 401), .. } =
                walk.exchange(node, &asked, PATIENCE).await
            {
                last = Some(status);
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
        let id = &org.id;
        match (last, opens) {
            (Some(200), true) | (Some(401), false) => {}
            (Some(_), true) => return Err(format!("ended: {id} lives, and node {node} says no")),
            (Some(_), false) => {
                return Err(format!("ended: {id} has ended, and its key opens node {node}"));
            }
            (None, _) => return Err(format!("liveness: node {node} never answers {id}")),
        }
    }
    Ok(())
}
