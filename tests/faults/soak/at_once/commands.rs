//! An operator's commands, each at any node, and not waited for. A refusal is an answer, and so is
//! none at all. What was answered must be so at the end: an organization that was made is there, one
//! that was ended is not, and a mistyped command was never carried out.

use std::time::Duration;

use concordat_tests::{
    connection::{Connection, request},
    demo::REGIONS,
    wait::within,
};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::{
    act::{Command, NotNow},
    driver::Driver,
    orders::{About, Answered, Order, State, agrees},
};
use crate::fleet::{LIMIT, NODES};

/// For an answer; beyond the consistency timeout.
const PATIENCE: Duration = Duration::from_secs(8);
/// Organizations of these commands, beside those of the clients.
const ORGS_MAX: usize = 40;
/// Keys of an organization beside its first: so few that none is refused for their number.
const KEYS_MAX: usize = 12;
const KEYS: &str = "/organizations/api-keys";
/// No node, organization or region has this id or name.
const UNKNOWN: &str = "00000000-0000-4000-8000-00000000dead";

impl Driver<'_> {
    /// Gives one of the commands, at any node.
    pub(super) fn command(&mut self, command: Command) -> Result<String, NotNow> {
        let order = match command {
            Command::Move => {
                let body = json!({"home_region": self.region()});
                self.change_home(command, body)
            }
            Command::MoveBack => self.change_home(command, json!({"cancel": true})),
            Command::Leases => self.set_leases(),
            Command::SurvivalGoal => {
                let goal = ["node", "region"][self.rng.place(2)];
                set_cluster(command, json!({"survival_goal": goal}))
            }
            Command::PartitionPolicy => {
                let policy = ["serve", "serve", "fence"][self.rng.place(3)];
                set_cluster(command, json!({"partition_policy": policy}))
            }
            Command::VoterRegion => self.move_voters(),
            Command::MakeOrganization => self.make_organization()?,
            Command::EndOrganization => self.end_organization()?,
            Command::IssueKey => self.issue_key()?,
            Command::RevokeKey => self.revoke_key()?,
            Command::Drain => self.drain()?,
            Command::Mistype => self.mistype(),
        };
        let what = match &order.body {
            Some(body) => format!("{} {} {body}", order.method, order.target),
            None => format!("{} {}", order.method, order.target),
        };
        self.send(order);
        Ok(what)
    }

    fn region(&mut self) -> &'static str {
        REGIONS[self.rng.place(3)]
    }

    fn change_home(&mut self, command: Command, body: Value) -> Order {
        let org = &self.shared.orgs[self.rng.place(2)].id;
        order(command, "POST", format!("/v1/organizations/{org}/move"), Some(body))
    }

    fn set_leases(&mut self) -> Order {
        let local = 200 + self.rng.below(2800);
        let remote = local + self.rng.below(5000 - local);
        set_leases(local, remote)
    }

    fn move_voters(&mut self) -> Order {
        let target = format!("/v1/cluster/regions/{}", self.region());
        let body = json!({"voter_region": self.region()});
        order(Command::VoterRegion, "PATCH", target, Some(body))
    }

    fn make_organization(&mut self) -> Result<Order, NotNow> {
        if self.commands.orgs.len() >= ORGS_MAX {
            return Err(NotNow::Busy);
        }
        let id = format!("00000000-0000-4000-a000-{:012x}", self.rng.below(1 << 47));
        let home = self.region();
        let body = json!({"org_name": "Beside", "home_region": home, "id": id});
        self.commands.orgs.insert(id.clone(), State::Unknown);
        let made =
            order(Command::MakeOrganization, "POST", "/v1/organizations".to_owned(), Some(body));
        Ok(Order { about: About::Organization(id), ..made })
    }

    fn end_organization(&mut self) -> Result<Order, NotNow> {
        let number = self.rng.next();
        let id = self.commands.org(number).ok_or(NotNow::Busy)?;
        self.commands.orgs.insert(id.clone(), State::Unknown);
        let ended =
            order(Command::EndOrganization, "DELETE", format!("/v1/organizations/{id}"), None);
        Ok(Order { about: About::Organization(id), ..ended })
    }

    fn issue_key(&mut self) -> Result<Order, NotNow> {
        let there = self.commands.keys.values().filter(|(_, state)| *state != State::Gone);
        if there.count() >= KEYS_MAX {
            return Err(NotNow::Busy);
        }
        let body = Some(json!({"rights": ["read"]}));
        let issued = order(Command::IssueKey, "POST", KEYS.to_owned(), body);
        Ok(Order { about: About::Key(self.rng.place(2), None), ..issued })
    }

    fn revoke_key(&mut self) -> Result<Order, NotNow> {
        let (org, id) = self.commands.key().ok_or(NotNow::Busy)?;
        self.commands.keys.insert(id.clone(), (org, State::Unknown));
        let revoked = order(Command::RevokeKey, "DELETE", format!("{KEYS}/{id}"), None);
        Ok(Order { about: About::Key(org, Some(id)), ..revoked })
    }

    /// One node at a time; an unanswered command may be carried out.
    fn drain(&mut self) -> Result<Order, NotNow> {
        let node = self.rng.place(NODES);
        let id = self.fleet.cluster.node_id(node).filter(|_| self.drained.is_empty());
        let id = id.ok_or(NotNow::Busy)?;
        let until = Instant::now() + self.ms(1000, 8000);
        self.drained.push((until, id.clone()));
        Ok(set_node(&id, "draining"))
    }

    /// What an operator may have meant otherwise.
    fn mistype(&mut self) -> Order {
        let org = &self.shared.orgs[0].id;
        let (method, target, body) = match self.rng.below(10) {
            0 => {
                ("POST", format!("/v1/organizations/{org}/move"), json!({"home_region": "us-iowo"}))
            }
            1 => (
                "PATCH",
                "/v1/cluster".to_owned(),
                json!({"lease": {"local_ms": 1, "remote_ms": 1}}),
            ),
            2 => ("PATCH", "/v1/cluster".to_owned(), json!({"survival_goal": "planet"})),
            3 => ("PATCH", format!("/v1/cluster/nodes/{UNKNOWN}"), json!({"state": "draining"})),
            4 => ("DELETE", format!("/v1/cluster/nodes/{UNKNOWN}"), Value::Null),
            5 => ("DELETE", format!("/v1/organizations/{UNKNOWN}"), Value::Null),
            6 => (
                "POST",
                "/v1/cluster/regions/us-iowo/failover".to_owned(),
                json!({"to": REGIONS[1], "confirm_fenced": true}),
            ),
            7 => {
                let target = format!("/v1/cluster/regions/{}/failover", self.region());
                ("POST", target, json!({"to": self.region()}))
            }
            8 => ("PATCH", "/v1/cluster/regions/us-iowa".to_owned(), json!({"voter_region": "x"})),
            _ => ("PATCH", "/v1/cluster".to_owned(), json!(["no object"])),
        };
        let body = Some(body).filter(|body| !body.is_null());
        Order { is_mistyped: true, ..order(Command::Mistype, method, target, body) }
    }

    fn send(&mut self, order: Order) {
        let url = self.fleet.cluster.url(self.rng.place(NODES)).to_owned();
        let mut headers = vec![
            ("slashid-required-consistency", "all_regions".to_owned()),
            ("slashid-required-consistency-timeout", "4".to_owned()),
        ];
        match &order.about {
            About::Key(org, _) => {
                let org = &self.shared.orgs[*org];
                headers.push(("slashid-orgid", org.id.clone()));
                headers.push(("slashid-api-key", org.api_key.clone()));
            }
            About::Nothing | About::Organization(_) => {
                headers.push(("slashid-api-key", self.fleet.cluster.operator_key().to_owned()));
            }
        }
        self.commands.under_way.spawn(async move {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let body = order.body.as_ref().map(Value::to_string);
            let bytes = request(order.method, &order.target, &headers, body.as_deref());
            let answer = timeout(PATIENCE, exchange(&url, &bytes)).await.ok().flatten();
            Answered { order, answer }
        });
    }

    /// Asks for the end of drains whose time has come.
    pub(super) fn undrain_due(&mut self, now: Instant) {
        let (due, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.drained).into_iter().partition(|(until, _)| *until <= now);
        self.drained = left;
        for (_, id) in due {
            self.send(set_node(&id, "member"));
        }
    }

    /// Takes every node back that is drained, and gives the leases their usual length.
    pub(super) async fn undrain_all(&mut self) {
        self.drained.clear();
        within("no node is drained", LIMIT, async || {
            let nodes = self.fleet.inspect(0, "/v1/cluster/nodes").await?;
            let drained = nodes.as_array().into_iter().flatten();
            let drained: Vec<String> = drained
                .filter(|node| node["state"] == "draining")
                .filter_map(|node| node["node_id"].as_str().map(str::to_owned))
                .collect();
            let is_set = self.order_at(0, &set_leases(500, 1500)).await?;
            for id in &drained {
                self.order_at(0, &set_node(id, "member")).await?;
            }
            match drained.is_empty() && is_set {
                true => Ok(()),
                false => Err(format!("{drained:?} are, lease set: {is_set}")),
            }
        })
        .await;
    }

    /// Gives a command and waits for its answer: whether it is done.
    async fn order_at(&self, node: usize, order: &Order) -> Result<bool, String> {
        let headers = [("slashid-api-key", self.fleet.cluster.operator_key())];
        let body = order.body.as_ref().map(Value::to_string);
        let bytes = request(order.method, &order.target, &headers, body.as_deref());
        let seen = self.fleet.ask(node, &bytes).await?;
        Ok((200..300).contains(&seen.status))
    }

    /// What was answered of organizations and keys is so at every node.
    pub(super) async fn organizations_are_as_answered(&mut self) {
        self.commands.settle().await;
        let (orgs, keys) = (self.commands.orgs.clone(), self.commands.keys.clone());
        within("organizations and keys are as answered", LIMIT, async || {
            for node in 0..NODES {
                for (id, state) in &orgs {
                    let is_there =
                        match self.fleet.inspect(node, &format!("/v1/organizations/{id}")).await {
                            Ok(_) => true,
                            Err(reason) if reason.contains(": 404 ") => false,
                            Err(reason) => return Err(reason),
                        };
                    agrees(*state, is_there)
                        .map_err(|what| format!("node {node}: {id}: {what}"))?;
                }
                for (number, org) in self.shared.orgs.iter().enumerate() {
                    let headers =
                        [("slashid-orgid", org.id.as_str()), ("slashid-api-key", &org.api_key)];
                    let bytes = request("GET", KEYS, &headers, None);
                    let seen = self.fleet.ask(node, &bytes).await?;
                    if seen.status != 200 || !seen.is_unmarked {
                        return Err(format!("node {node}: {seen:?}"));
                    }
                    let listed = seen.body["result"].to_string();
                    for (id, (_, state)) in keys.iter().filter(|(_, (of, _))| *of == number) {
                        agrees(*state, listed.contains(id))
                            .map_err(|what| format!("node {node}: key {id}: {what}"))?;
                    }
                }
            }
            Ok(())
        })
        .await;
        let known = orgs.values().filter(|state| **state != State::Unknown).count();
        self.say(&format!(
            "{known} of {} organizations are known, {} keys",
            orgs.len(),
            keys.len()
        ));
    }
}

fn order(command: Command, method: &'static str, target: String, body: Option<Value>) -> Order {
    Order { command, is_mistyped: false, about: About::Nothing, method, target, body }
}

fn set_cluster(command: Command, body: Value) -> Order {
    order(command, "PATCH", "/v1/cluster".to_owned(), Some(body))
}

fn set_leases(local_ms: u64, remote_ms: u64) -> Order {
    set_cluster(Command::Leases, json!({"lease": {"local_ms": local_ms, "remote_ms": remote_ms}}))
}

fn set_node(id: &str, state: &str) -> Order {
    order(Command::Drain, "PATCH", format!("/v1/cluster/nodes/{id}"), Some(json!({"state": state})))
}

async fn exchange(url: &str, bytes: &[u8]) -> Option<(u16, bool, Value)> {
    let mut connection = Connection::open(url).await.ok()?;
    let answer = connection.exchange(bytes).await.ok()?;
    let is_current = answer.header("concordat-read").is_none_or(|mark| mark == "current");
    let body = serde_json::from_slice(answer.body).unwrap_or(Value::Null);
    Some((answer.status, is_current, body))
}
