//! The first question of the on-call engineer: would a write succeed now, and what blocks it. Asked
//! of the API, the command line and the metrics while a region is cut off; and the cost of a silent
//! lease holder, in the metrics.

use std::time::Duration;

use concordat_tests::{
    demo::{Demo, DemoOptions, REGIONS},
    http::Request,
    process,
    wait::{self, LIMIT},
};
use serde_json::{Value, json};

use crate::world::{Caller, assert_success, assert_written, caller_at, draft};

const HOME: usize = 0;
const CUT: usize = 2;
/// Longer than any lease: history that is kept for leases only has expired by then.
const LAG_MS: u64 = 3000;
/// No wait for a lease may take this long, on any machine.
const LOST_S_MAX: f64 = 30.0;

async fn cluster(demo: &Demo) -> Value {
    let answer = demo.by_operator("GET", "/v1/cluster").send(demo.url(HOME, 0)).await;
    assert_success(&answer, 200)["result"].take()
}

/// The group of the region's organizations.
fn group_of<'a>(cluster: &'a Value, region: &str) -> &'a Value {
    let groups = cluster["groups"].as_array().expect("groups");
    groups.iter().find(|group| group["region"] == region).expect("its group")
}

fn lag_of<'a>(group: &'a Value, region: &str) -> &'a Value {
    let regions = group["regions"].as_array().expect("regions");
    regions.iter().find(|lag| lag["region"] == region).expect("the region's lag")
}

/// A sample of the home node's metrics, by its name and labels.
async fn metric(demo: &Demo, sample: &str) -> Option<f64> {
    let answer = Request::new("GET", "/metrics").send(demo.url(HOME, 0)).await;
    let text = answer.text();
    let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
    Some(value.parse().unwrap_or_else(|_| panic!("{sample} is {value}")))
}

/// The exit code of `concordat status` for a cluster that is not whole.
const DEGRADED: i32 = 7;

/// The output of `concordat status`, which ends with this exit code.
async fn status_printed(demo: &Demo, code: i32) -> String {
    let environment = [
        ("CONCORDAT_ENDPOINTS", demo.url(HOME, 0).to_owned()),
        ("CONCORDAT_OPERATOR_KEY", demo.operator_key.clone()),
        ("XDG_CONFIG_HOME", demo.data_dir().join("no-such-config").display().to_string()),
    ];
    let ended = process::run("concordat", &["status"], &environment, LIMIT).await;
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
    String::from_utf8(ended.stdout).expect("text")
}

async fn writes(caller: &Caller, label: &str) {
    let answer = caller.send(&caller.patch("a", &json!({"label": label}))).await;
    assert_written(&answer, 200);
}

async fn becomes_whole(demo: &Demo) {
    wait::eventually("writes of both levels would succeed everywhere", async || {
        let cluster = cluster(demo).await;
        let would = &cluster["write_available"];
        let lag = lag_of(group_of(&cluster, REGIONS[HOME]), REGIONS[CUT]);
        let whole = would["local_region"]["ok"] == true && would["all_regions"]["ok"] == true;
        if whole && lag["lag_entries"] == 0 && lag["lag_ms"] == 0 {
            return Ok(());
        }
        Err(format!("{would} {lag}"))
    })
    .await;
    let printed = status_printed(demo, 0).await;
    for level in ["a local_region", "an all_regions"] {
        let expected = format!("{level} write now: would succeed\n");
        assert!(printed.contains(&expected), "{printed}");
    }
}

#[tokio::test]
async fn a_region_that_is_cut_off_is_named_until_it_is_back() {
    let demo = Demo::start(DemoOptions::default()).await;
    let caller = caller_at(&demo, "outlook").await;
    caller.create(&draft("a")).await;
    becomes_whole(&demo).await;

    demo.cut_region(REGIONS[CUT]).await;
    writes(&caller, "what it lacks").await;
    let cluster = wait::eventually("it is named, and how long it has lagged", async || {
        let cluster = cluster(&demo).await;
        let lag = lag_of(group_of(&cluster, REGIONS[HOME]), REGIONS[CUT]);
        let lasted = lag["lag_ms"].as_u64().is_some_and(|ms| ms >= LAG_MS);
        if lasted && lag["lag_entries"] != 0 { Ok(cluster) } else { Err(lag.to_string()) }
    })
    .await;
    let (home, far) = (group_of(&cluster, REGIONS[HOME]), group_of(&cluster, REGIONS[CUT]));
    let would = &home["write_available"];
    assert_eq!(would["local_region"], json!({"ok": true}), "{would}");
    let is_named = |forecast: &Value| {
        let reason = forecast["reason"].as_str().unwrap_or_default();
        forecast["ok"] == false && reason.contains(REGIONS[CUT])
    };
    assert!(is_named(&would["all_regions"]), "{would}");
    assert!(is_named(&cluster["write_available"]["all_regions"]), "{}", cluster["write_available"]);
    assert_eq!(far["write_available"]["local_region"]["ok"], false, "its leader is out of reach");
    let lag = lag_of(home, REGIONS[CUT]);
    assert!(lag["age_ms"].as_u64().is_some_and(|age| age >= LAG_MS), "{lag}");
    assert_eq!(lag_of(home, REGIONS[HOME])["lag_ms"], 0, "{home}");
    is_told_by_the_other_two(&demo, home).await;

    demo.heal_region(REGIONS[CUT]).await;
    becomes_whole(&demo).await;
}

/// The metrics and the command line agree.
async fn is_told_by_the_other_two(demo: &Demo, home: &Value) {
    let (group, cut) = (&home["group"], REGIONS[CUT]);
    let would = |level: &str| {
        let sample = format!("concordat_write_available{{group=\"{group}\",level=\"{level}\"}}");
        async move { metric(demo, &sample).await }
    };
    assert_eq!(would("local_region").await, Some(1.0));
    assert_eq!(would("all_regions").await, Some(0.0));
    let of_cut = |name: &str| {
        let sample = format!("concordat_region_{name}{{group=\"{group}\",region=\"{cut}\"}}");
        async move { metric(demo, &sample).await.expect("a sample") }
    };
    assert!(of_cut("applied_index").await > 0.0);
    assert!(of_cut("lag_entries").await >= 1.0);
    for name in ["lag_seconds", "report_age_seconds"] {
        let told = of_cut(name).await;
        assert!(Duration::from_secs_f64(told) >= Duration::from_millis(LAG_MS), "{name} {told}");
    }
    let printed = status_printed(demo, DEGRADED).await;
    let verdict = format!("would succeed at home in {}, {} only\n", REGIONS[1], REGIONS[HOME]);
    assert!(printed.contains(&verdict), "{printed}");
    assert!(printed.contains("an all_regions write now: would not succeed\n"), "{printed}");
    let culprit = format!("  group {group} ({}): region {cut} is unreachable (", REGIONS[HOME]);
    assert!(printed.contains(&culprit), "{printed}");
}

#[tokio::test]
async fn the_metrics_tell_what_a_silent_holder_of_a_lease_has_cost() {
    const LEVEL: &str = "level=\"all_regions\"";
    let demo = Demo::start(DemoOptions { nodes_per_region: 3, ..DemoOptions::default() }).await;
    let caller = caller_at(&demo, "slow").await;
    let everywhere =
        |request: Request| request.header("SlashID-Required-Consistency", "all_regions");
    assert_written(&caller.send(&everywhere(caller.post(&draft("a")))).await, 201);
    let silent = demo.regions[CUT].1[2].id.clone();
    let lost = async |name: &str| {
        let sample = format!("concordat_write_lease_wait_seconds_{name}{{{LEVEL}}}");
        metric(&demo, &sample).await.expect("a sample")
    };
    let waited_out = format!("concordat_write_lease_expirations_total{{{LEVEL}}}");
    // On a machine that holds everything up its lease may be over before the write begins.
    wait::eventually("a write waits for the silent node's lease", async || {
        demo.heal_node(&silent).await;
        becomes_whole(&demo).await;
        demo.cut_node(&silent).await;
        let before = lost("sum").await;
        let request = everywhere(caller.patch("a", &json!({"label": "slow"})));
        assert_written(&caller.send(&request).await, 200);
        let more = lost("sum").await - before;
        assert!((0.0..LOST_S_MAX).contains(&more), "{more} s lost to one lease");
        match metric(&demo, &waited_out).await {
            Some(count) if count >= 1.0 => Ok(()),
            other => Err(format!("{other:?} waited out")),
        }
    })
    .await;
    assert!(lost("sum").await > 0.0);
    let held = format!("concordat_write_blocking_leases_sum{{{LEVEL},at=\"commit\"}}");
    assert!(metric(&demo, &held).await.is_some_and(|held| held >= 1.0));
    let left = format!("concordat_write_blocking_leases_sum{{{LEVEL},at=\"answer\"}}");
    assert_eq!(metric(&demo, &left).await, Some(0.0), "all of them arrived");

    // A repeated question about a write is no slow write.
    let write = caller.send(&everywhere(caller.patch("a", &json!({"label": "fast"})))).await;
    let id = write.header("concordat-write-id").expect("its name").to_owned();
    let before = lost("count").await;
    let asked = caller.request("GET", &format!("/v1/writes/{id}?wait=5"));
    assert_success(&caller.send(&asked).await, 200);
    assert!(lost("count").await.total_cmp(&before).is_eq(), "a look-up was counted");
}
