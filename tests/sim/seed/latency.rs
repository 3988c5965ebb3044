//! What a write costs that is sent far from its organisation's home, where nothing but distance takes
//! time: regions 80, 140 and 100 ms apart, one client, no faults.
//!
//! The simulation's clock is not that of a busy machine, so the middle write is judged and not the
//! fastest. What it adds: up to 3 ms a sync, and a step of 1 ms for each thing that happens.
//! It must never measure by the clock of the machine that it runs on.

use std::time::Duration;

use concordat_tests::recorded::{Asked, Carrier, Told};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    clients::{Walk, credential},
    operator,
    shape::Shape,
    trace::Trace,
    world::World,
};

const FORM_LIMIT: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(5);
const WRITES: usize = 41;
/// Asked for in the region furthest from home: two round trips in a row would be 280 ms.
const LIMITS: [(&str, Duration); 2] =
    [("local_region", Duration::from_millis(150)), ("all_regions", Duration::from_millis(175))];

/// Measures, prints, and says what was too slow.
pub(crate) fn run(trace: &Trace) -> Result<(), String> {
    let mut world = World::of(Shape::far_apart(), 1, trace.clone());
    for number in 0..world.hosts.len() {
        world.start(number);
    }
    world.within(FORM_LIMIT, |world| world.ready())?;
    let regions = world.shape.regions.clone();
    let org = operator::new_org(&mut world, "Far", &regions[0])?;
    let far = world.hosts.iter().rposition(|host| host.region == regions[2]).unwrap_or(0);
    let name = credential(0);
    let ask = |method, target: String, required: &str, body: serde_json::Value| Asked {
        method,
        target,
        headers: vec![
            ("slashid-orgid", org.id.clone()),
            ("slashid-api-key", org.api_key.clone()),
            ("slashid-required-consistency", required.to_owned()),
        ],
        body: Some(body.to_string()),
    };
    let place = "/organizations/sso/oidc/provider-credentials";
    let body = json!({"client_id": name, "client_secret": "a secret", "provider": "google"});
    let mut asked = vec![ask("POST", place.to_owned(), "all_regions", body)];
    for (required, _) in LIMITS {
        asked.extend((0..WRITES).map(|number| {
            let body = json!({"label": format!("{required} {number}")});
            ask("PATCH", format!("{place}/{name}"), required, body)
        }));
    }
    let mut walk = Walk::at_the_door(&world.doors, trace);
    let took = world.ask(async move {
        let mut took = Vec::new();
        for asked in asked {
            let begun = Instant::now();
            match walk.exchange(far, &asked, PATIENCE).await {
                Told::Answer { status: 200 | 201, .. } => took.push(begun.elapsed()),
                Told::Answer { status, .. } => return Err(format!("latency: answered {status}")),
                Told::Nobody | Told::Nothing => return Err("latency: not answered".to_owned()),
            }
        }
        Ok(took)
    })?;
    let mut verdict = Ok(());
    for ((required, limit), took) in LIMITS.into_iter().zip(took[1..].chunks_exact(WRITES)) {
        let mut took = took.to_vec();
        took.sort();
        let (least, middle, most) = (took[0], took[WRITES / 2], took[WRITES - 1]);
        println!(
            "simulation: {required} written 140 ms from home: p50 {middle:?}, {least:?} to {most:?}"
        );
        if middle > limit {
            verdict = Err(format!("latency: {required} takes {middle:?}, more than {limit:?}"));
        }
    }
    verdict
}
