//! The demo's output, on standard output: for people, or one JSON object a line.
//!
//! Keys are printed only here: they are the demo's, and its user needs them.

use std::io::{self, Write};

use concordat_proto::region::Region;
use serde::Serialize;
use serde_json::Value;

use super::{
    args::{Output, Plan},
    call::Reply,
    cluster::Addresses,
    saved::{Saved, SavedOrg},
};
use crate::boot::failure::Failure;
use crate::dialect::NATIVE;

/// Characters of the longest bar.
const BAR_CHARS: usize = 40;
/// The longest bar is this many of the longest round trips: the duration of a write to all regions,
/// with room.
const ROUND_TRIPS: u128 = 2;

/// Says things.
#[derive(Debug)]
pub(super) struct Printer {
    output: Output,
    /// Milliseconds of one character of a bar: the same in all answers, so that they compare.
    block_ms: usize,
}

/// The values to print once the cluster is ready.
pub(super) struct Ready<'a> {
    pub(super) saved: &'a Saved,
    pub(super) org: &'a SavedOrg,
    pub(super) regions: Addresses,
    pub(super) plan: &'a Plan,
}

impl Printer {
    /// In one of the two ways.
    pub(super) fn new(output: Output, plan: &Plan) -> Self {
        let longest = plan.round_trips().into_iter().map(|(.., trip)| trip.as_millis()).max();
        let longest = usize::try_from(longest.unwrap_or(0) * ROUND_TRIPS).unwrap_or(usize::MAX);
        Self { output, block_ms: longest.div_ceil(BAR_CHARS).max(1) }
    }

    /// Explains the bars of the tour.
    pub(super) fn scale(&self) -> Result<(), Failure> {
        let block_ms = self.block_ms;
        self.text(&format!("\nIn all bars below a block is {block_ms} ms.\n"))
    }

    /// Before anything is there.
    pub(super) fn starting(&self, plan: &Plan, saved: &Saved) -> Result<(), Failure> {
        let nodes = plan.nodes_per_region * plan.regions.len();
        let place = saved.directory.display();
        let kept = if saved.is_kept { "kept" } else { "removed at the end" };
        self.text(&format!(
            "Starting {nodes} nodes in {} regions. Data is in {place} ({kept}).\n\
             The demo generates its own keyring there; a real cluster needs one from you.\n",
            plan.regions.len()
        ))
    }

    /// Prints the addresses.
    pub(super) fn ready(&self, ready: &Ready<'_>) -> Result<(), Failure> {
        match self.output {
            Output::Json => self.line(&ready_event(ready)),
            Output::Text => self.text(&ready_text(ready)),
        }
    }

    /// Announces the next step of the tour.
    pub(super) fn step(&self, what: &str) -> Result<(), Failure> {
        self.text(&format!("\n{what}\n"))
    }

    /// An answer and its receipt.
    pub(super) fn reply(
        &self,
        step: &str,
        method: &str,
        reply: &Reply,
        receipt: &Value,
    ) -> Result<(), Failure> {
        match self.output {
            Output::Json => {
                self.line(&TourEvent { event: "tour", step, status: reply.status, receipt })
            }
            Output::Text => {
                let bars = bars(receipt, self.block_ms);
                self.text(&format!("  {method} -> {}\n{bars}", reply.status))
            }
        }
    }

    /// A value read in a region.
    pub(super) fn read(&self, region: &Region, label: &str) -> Result<(), Failure> {
        match self.output {
            Output::Json => self.line(&ReadEvent { event: "read", region: region.as_str(), label }),
            Output::Text => {
                self.text(&format!("\nA read in {region} now shows the label \"{label}\".\n"))
            }
        }
    }

    /// Says that the demo continues to run.
    pub(super) fn staying(&self, saved: &Saved) -> Result<(), Failure> {
        let again = if saved.is_kept {
            " Start it again with the same --data-dir to continue."
        } else {
            ""
        };
        self.text(&format!("\nThe cluster stays up until Ctrl-C.{again}\n"))
    }

    /// For people only.
    fn text(&self, text: &str) -> Result<(), Failure> {
        match self.output {
            Output::Text => say(text),
            Output::Json => Ok(()),
        }
    }

    fn line(&self, event: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(event);
        let line = line.map_err(|error| Failure::fault("writing JSON", error))?;
        say(&format!("{line}\n"))
    }
}

fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.map_err(|error| Failure::fault("writing to standard output", error))
}

/// The first line of the JSON output. Members are in the order of the contract.
#[derive(Serialize)]
struct ReadyEvent<'a> {
    event: &'static str,
    operator_key: &'a str,
    org: &'a SavedOrg,
    regions: Vec<RegionEvent<'a>>,
}

#[derive(Serialize)]
struct RegionEvent<'a> {
    region: &'a str,
    nodes: Vec<NodeEvent<'a>>,
}

#[derive(Serialize)]
struct NodeEvent<'a> {
    node_id: &'a str,
    url: &'a str,
}

#[derive(Serialize)]
struct TourEvent<'a> {
    event: &'static str,
    step: &'a str,
    status: u16,
    receipt: &'a Value,
}

#[derive(Serialize)]
struct ReadEvent<'a> {
    event: &'static str,
    region: &'a str,
    label: &'a str,
}

fn ready_event<'a>(ready: &'a Ready<'_>) -> ReadyEvent<'a> {
    let regions = ready.regions.iter().map(|(region, nodes)| RegionEvent {
        region: region.as_str(),
        nodes: nodes.iter().map(|(node_id, url)| NodeEvent { node_id, url }).collect(),
    });
    ReadyEvent {
        event: "ready",
        operator_key: &ready.saved.operator_key,
        org: ready.org,
        regions: regions.collect(),
    }
}

fn ready_text(ready: &Ready<'_>) -> String {
    let mut text = String::from("\nReady.\n");
    for (region, nodes) in &ready.regions {
        let urls: Vec<&str> = nodes.iter().map(|(_, url)| url.as_str()).collect();
        text.push_str(&format!("  {:<18} {}\n", region.as_str(), urls.join("  ")));
    }
    for (one, other, round_trip) in ready.plan.round_trips() {
        text.push_str(&format!("  {one} - {other}: {} ms round trip\n", round_trip.as_millis()));
    }
    let (operator, org) = (&ready.saved.operator_key, ready.org);
    text.push_str(&format!(
        "  operator key       {operator}\n  organization       {}\n  its key            {}\n",
        org.id, org.api_key
    ));
    let first = |at: Option<&(Region, Vec<(String, String)>)>| {
        at.and_then(|(_, nodes)| nodes.first()).map_or("", |(_, url)| url.as_str()).to_owned()
    };
    let (home, far) = (first(ready.regions.first()), first(ready.regions.last()));
    text.push_str(&curl_lines(&home, &far, operator, org));
    text
}

fn curl_lines(home: &str, far: &str, operator: &str, org: &SavedOrg) -> String {
    let path = "/organizations/sso/oidc/provider-credentials";
    let (org_name, key_name) = (NATIVE.organization.shown, NATIVE.key.shown);
    let (required, timeout) = (NATIVE.required.shown, NATIVE.timeout.shown);
    let keys = format!("-H '{org_name}: {}' -H '{key_name}: {}'", org.id, org.api_key);
    let json = "-H 'Content-Type: application/json'";
    format!(
        "\nTry it:\n\
         curl -i {home}{path} {keys} {json} \\\n  \
         -d '{{\"client_id\":\"my-app\",\"client_secret\":\"s3cret\",\"provider\":\"google\"}}'\n\
         curl -i -X PATCH {home}{path}/my-app {keys} {json} \\\n  \
         -H '{required}: all_regions' \\\n  \
         -H '{timeout}: 5' -d '{{\"label\":\"everywhere\"}}'\n\
         curl -i {far}{path}/my-app {keys}\n\
         curl -s {home}/v1/cluster -H '{key_name}: {operator}'\n"
    )
}

/// A receipt as a bar per region, as long as its way took; one that does not fit ends with a `+`.
fn bars(receipt: &Value, block_ms: usize) -> String {
    let empty = Vec::new();
    let regions = receipt["regions"].as_array().unwrap_or(&empty);
    let mut text = String::new();
    for region in regions {
        let name = region["region"].as_str().unwrap_or_default();
        let blocks = tenths(&region["applied_ms"]).div_ceil(10 * block_ms).max(1);
        let bar = "\u{2588}".repeat(blocks.min(BAR_CHARS));
        let more = if blocks > BAR_CHARS { "+" } else { "" };
        let line = match (region["state"].as_str(), &region["applied_ms"]) {
            (Some("applied"), Value::Null) => format!("{} applied", "\u{2588}"),
            (Some("applied"), ms) => format!("{bar}{more} applied after {ms} ms"),
            _ => format!("{} pending", "\u{2591}".repeat(BAR_CHARS)),
        };
        text.push_str(&format!("  {name:<18} {line}\n"));
    }
    let (outcome, elapsed) = (&receipt["outcome"], &receipt["elapsed_ms"]);
    let achieved = if receipt["achieved"] == true { "achieved" } else { "not achieved" };
    let outcome = outcome.as_str().unwrap_or_default();
    text.push_str(&format!("  {outcome}, {achieved}, answered after {elapsed} ms\n"));
    text
}

/// Tenths of a millisecond, from a number with at most one decimal place.
fn tenths(value: &Value) -> usize {
    let text = value.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
    let part: usize = part.get(..1).and_then(|digit| digit.parse().ok()).unwrap_or(0);
    whole.parse::<usize>().unwrap_or(0) * 10 + part
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_receipt_is_a_bar_per_region_on_the_scale_of_the_tour() {
        let receipt = json!({
            "outcome": "committed", "achieved": false, "elapsed_ms": 200,
            "regions": [
                { "region": "near", "state": "applied", "applied_ms": 100.5 },
                { "region": "watched-by-nobody", "state": "applied" },
                { "region": "far", "state": "pending" },
                { "region": "slow", "state": "applied", "applied_ms": 2000 },
            ],
        });
        let text = bars(&receipt, 5);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].matches('\u{2588}').count(), 21, "{text}");
        assert!(lines[0].ends_with("applied after 100.5 ms"), "{text}");
        assert!(lines[1].ends_with("applied"), "{text}");
        assert!(lines[2].ends_with("pending"), "{text}");
        assert_eq!(lines[3].matches('\u{2588}').count(), BAR_CHARS, "{text}");
        assert!(lines[3].ends_with("+ applied after 2000 ms"), "{text}");
        assert_eq!(lines[4].trim(), "committed, not achieved, answered after 200 ms");
    }
}
