//! Scenes in which something is lost for good: a file is damaged, a disk is replaced, a region is
//! failed over. A cluster can afford one of them at a time, when all else is whole: two lost disks
//! may hold the only copies of a write. Clients continue, and commands have been answered.

use std::time::Duration;

use concordat_tests::{connection::request, demo::REGIONS, wait::within};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::driver::Driver;
use crate::{
    fleet::{LIMIT, NODES},
    soak::kinds::{self, nodes_of},
};

/// How long an operator tries: where the voters of the system group, or of the lost one, were in the
/// lost region, no node can say yes.
const FAILOVER_LIMIT: Duration = Duration::from_secs(40);
/// Voters are where they will be when they have not changed in this many looks.
const LOOKS: usize = 4;

impl Driver<'_> {
    /// No membership changes any more, and each group can lose one disk.
    async fn memberships_rest(&self) {
        let mut seen: Vec<Value> = Vec::new();
        within("every group has its voters", LIMIT, async || {
            let regions = self.fleet.inspect(0, "/v1/cluster/regions").await?;
            let regions = regions.as_array().cloned().unwrap_or_default();
            let voters: Vec<Value> = regions.iter().map(|of| of["voters"].clone()).collect();
            let least = voters.iter().map(|of| of.as_array().map_or(0, Vec::len)).min();
            let now = Value::from(voters);
            if seen.last() != Some(&now) {
                seen.clear();
            }
            seen.push(now.clone());
            sleep(Duration::from_millis(500)).await;
            match seen.len() >= LOOKS && least.is_some_and(|least| least >= 3) {
                true => Ok(()),
                false => Err(now.to_string()),
            }
        })
        .await;
        self.fleet_is_current().await;
    }

    /// Every replica has what its group's leader has: a lost disk is no longer the only one.
    async fn fleet_is_current(&self) {
        let began = Instant::now();
        within("every node answers current reads", LIMIT, async || {
            for node in 0..NODES {
                let status = self.fleet.inspect(node, "/v1/cluster").await?;
                if status["this_node"]["ready_for_reads"]["ok"] != true {
                    return Err(format!("node {node}: {}", status["this_node"]));
                }
            }
            Ok(())
        })
        .await;
        self.say(&format!("all nodes are current after {:?}", began.elapsed()));
    }

    pub(super) async fn damage(&mut self) -> String {
        self.memberships_rest().await;
        let what = kinds::damage(self.fleet, self.rng).await;
        self.fleet.cluster.ready().await;
        what
    }

    pub(super) async fn lose_disk(&mut self) -> String {
        self.memberships_rest().await;
        // Not the first one, which would begin another cluster when it has lost everything.
        let node = 1 + self.rng.place(NODES - 1);
        let id = self.fleet.cluster.node_id(node).expect("it has run");
        self.fleet.cluster.kill(node).await;
        self.fleet.cluster.wipe(node);
        sleep(self.ms(0, 3000)).await;
        self.fleet.cluster.restart(node).await;
        self.fleet.remove((node + 1) % NODES, &id).await;
        self.fleet.cluster.ready().await;
        format!("of node {node}")
    }

    /// What the region has is elsewhere too before it is lost: what would be lost with it has tests of
    /// its own.
    pub(super) async fn lose_region(&mut self) -> String {
        self.memberships_rest().await;
        if let Some(crowd) = self.crowd.take() {
            crowd.disperse().await;
        }
        self.fleet.agree_or_report().await;
        let lost = self.rng.place(3);
        let to = (lost + 1 + self.rng.place(2)) % 3;
        for node in nodes_of(lost) {
            self.fleet.cluster.kill(node).await;
        }
        self.crowd = Some(self.gather(1));
        let result = self.fail_over(lost, to).await;
        sleep(self.ms(1000, 8000)).await;
        for node in nodes_of(lost) {
            self.fleet.cluster.restart(node).await;
        }
        self.fleet.cluster.ready().await;
        format!("{} to {}: {result}", REGIONS[lost], REGIONS[to])
    }

    async fn fail_over(&self, lost: usize, to: usize) -> String {
        let target = format!("/v1/cluster/regions/{}/failover", REGIONS[lost]);
        let body = json!({"to": REGIONS[to], "confirm_fenced": true}).to_string();
        let headers = [
            ("slashid-api-key", self.fleet.cluster.operator_key()),
            ("slashid-required-consistency-timeout", "5"),
        ];
        let bytes = request("POST", &target, &headers, Some(&body));
        let (began, mut last) = (Instant::now(), String::new());
        while began.elapsed() < FAILOVER_LIMIT {
            match self.fleet.ask(nodes_of(to)[0], &bytes).await {
                Ok(seen) if (200..300).contains(&seen.status) => {
                    return format!("failed over after {:?}", began.elapsed());
                }
                Ok(seen) if seen.body.to_string().contains("already hosted") => {
                    return format!("failed over before {:?}", began.elapsed());
                }
                Ok(seen) => last = seen.body["errors"].to_string(),
                Err(reason) => last = reason,
            }
            sleep(Duration::from_millis(500)).await;
        }
        format!("not failed over: {last}")
    }
}
