//! A cluster whose data the last version has written starts with this build, and has all of it.
//!
//! The data are an archive beside this file: three nodes, one of each region, with their keyring, the
//! operator's key and what the last version answered. `make golden` writes it again by a build of the last
//! release. Nothing else may: an archive of this build would prove nothing.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use concordat_tests::{
    demo::{Org, REGIONS},
    document,
    http::Request,
    process_cluster::{ClusterOptions, ProcessCluster},
    wait::within,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fleet::{self, LIMIT};

const ARCHIVE: &str = "faults/membership/testdata/last_version.tar.gz";
const ANSWERS: &str = "answers.json";
const CREDENTIALS: &str = "/organizations/sso/oidc/provider-credentials";
/// The feature level of the version that has written the archive.
const LEVEL_BEFORE: u64 = 2;
const LEVEL_NOW: u64 = 3;

/// A question, and what the last version answered.
#[derive(Debug, Serialize, Deserialize)]
struct Answered {
    target: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

#[derive(Debug, Serialize, Deserialize)]
struct Recorded {
    /// An organization of each region, with its key.
    organizations: Vec<(String, String)>,
    answers: Vec<Answered>,
}

fn archive_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(ARCHIVE)
}

fn options() -> ClusterOptions {
    ClusterOptions { nodes_per_region: 1, ..ClusterOptions::default() }
}

fn with_key(request: Request, org: &Org) -> Request {
    request.header("SlashID-OrgID", &org.id).header("SlashID-API-Key", &org.api_key)
}

fn at_all_regions(request: Request) -> Request {
    request
        .header("SlashID-Required-Consistency", "all_regions")
        .header("SlashID-Required-Consistency-Timeout", "60")
}

/// Each provider that the last version knows, with options of its own.
fn credentials(prefix: &str) -> Vec<Value> {
    let options = [
        ("google", json!({})),
        ("github", json!({})),
        ("azuread", json!({"azuread": {"tenant": "organizations"}})),
        ("okta", json!({"okta": {"issuer": "https://example.okta.com"}})),
        ("gitlab", json!({})),
        ("bitbucket", json!({})),
        ("facebook", json!({})),
        ("line", json!({})),
    ];
    let credential = |(provider, options): (&str, Value)| {
        let mut body = json!({
            "client_id": format!("{prefix}-{provider}"), "client_secret": format!("secret-{prefix}-{provider}"),
            "provider": provider, "label": format!("{provider} of {prefix}"),
        });
        if options != json!({}) {
            body["options"] = options;
        }
        body
    };
    options.into_iter().map(credential).collect()
}

/// Makes what the archive holds, and asks for all of it.
async fn fill(cluster: &ProcessCluster) -> Recorded {
    let mut questions: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut organizations = Vec::new();
    for region in REGIONS {
        let org = cluster.new_org_at(region, region).await;
        let headers: BTreeMap<String, String> = [
            ("SlashID-OrgID".to_owned(), org.id.clone()),
            ("SlashID-API-Key".to_owned(), org.api_key.clone()),
        ]
        .into();
        questions.push((CREDENTIALS.to_owned(), headers.clone()));
        for credential in credentials(region) {
            let made = with_key(Request::new("POST", CREDENTIALS).json(&credential), &org);
            let made = at_all_regions(made).try_send(cluster.url(0)).await.expect("an answer");
            assert_eq!(made.status, 201, "{credential}: {made:?}");
            let id = credential["client_id"].as_str().expect("text");
            questions.push((format!("{CREDENTIALS}/{id}"), headers.clone()));
            questions.push((format!("{CREDENTIALS}/{id}/client-secret"), headers.clone()));
        }
        let gone = with_key(Request::new("DELETE", &format!("{CREDENTIALS}/{region}-line")), &org);
        let gone = at_all_regions(gone).try_send(cluster.url(0)).await.expect("an answer");
        assert!((200..300).contains(&gone.status), "{gone:?}");
        let changed = json!({"client_secret": format!("changed-{region}"), "label": "changed"});
        let target = format!("{CREDENTIALS}/{region}-google");
        let changed = with_key(Request::new("PATCH", &target).json(&changed), &org);
        let changed = at_all_regions(changed).try_send(cluster.url(0)).await.expect("an answer");
        assert_eq!(changed.status, 200, "{changed:?}");
        organizations.push((org.id, org.api_key));
    }
    move_one(cluster, &organizations[2].0).await;
    let mut answers = Vec::new();
    for (target, headers) in questions {
        let mut question = Answered { target, headers, body: Value::Null };
        question.body = ask(cluster, 0, &question).await;
        answers.push(question);
    }
    Recorded { organizations, answers }
}

/// The last organization's home goes to the first region.
async fn move_one(cluster: &ProcessCluster, org: &str) {
    let target = format!("/v1/organizations/{org}");
    let key = cluster.operator_key();
    let body = json!({"home_region": REGIONS[0]});
    let request = Request::new("POST", &format!("{target}/move")).json(&body);
    let moved = request.header("SlashID-API-Key", key).try_send(cluster.url(0)).await;
    let moved = moved.expect("an answer");
    assert!((200..300).contains(&moved.status), "{moved:?}");
    within("the organization has moved", LIMIT, async || {
        let seen = Request::new("GET", &target).header("SlashID-API-Key", key);
        let seen = seen.try_send(cluster.url(0)).await.map_err(|error| error.to_string())?;
        let result = seen.json()["result"].take();
        if result["home_region"] == REGIONS[0] && result["move"].is_null() {
            Ok(())
        } else {
            Err(result.to_string())
        }
    })
    .await;
}

/// An answer's body, with the status in it.
async fn ask(cluster: &ProcessCluster, node: usize, question: &Answered) -> Value {
    let mut request = Request::new("GET", &question.target);
    for (name, value) in &question.headers {
        request = request.header(name, value);
    }
    let response = request.try_send(cluster.url(node)).await.expect("an answer");
    json!({"status": response.status, "body": response.json()})
}

/// Every member that there was is there, and is the same; but for the bound of a page, which that version showed
/// as the length of the list.
fn contains(now: &Value, before: &Value) -> bool {
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => {
            let is_page = before.contains_key("total_count");
            before
                .iter()
                .filter(|(name, _)| !is_page || *name != "limit")
                .all(|(name, value)| now.get(name).is_some_and(|found| contains(found, value)))
        }
        (Value::Array(now), Value::Array(before)) => {
            now.len() == before.len()
                && now.iter().zip(before).all(|(now, before)| contains(now, before))
        }
        (now, before) => now == before,
    }
}

async fn all_is_there(cluster: &ProcessCluster, recorded: &Recorded, when: &str) {
    for node in 0..REGIONS.len() {
        for answered in &recorded.answers {
            let (target, before) = (&answered.target, &answered.body);
            within("the node shows what the last version has shown", LIMIT, async || {
                let now = ask(cluster, node, answered).await;
                let is_it = contains(&now, before);
                if is_it {
                    Ok(())
                } else {
                    Err(format!("{when}, {node}, {target}: {now}, not {before}"))
                }
            })
            .await;
        }
    }
}

/// Writes `last_version.tar.gz` by a build of the last release. A tool, not a test: `make golden` runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_last_version() {
    #[expect(clippy::disallowed_methods, reason = "a test is no part of the node's environment")]
    let Ok(program) = env::var("CONCORDAT_RECORD_BY") else {
        println!("last version: nothing to write, CONCORDAT_RECORD_BY names no build of it");
        return;
    };
    document::switch_off();
    let _turn = fleet::turn().await;
    let mut cluster = ProcessCluster::start_with(ClusterOptions { program, ..options() }).await;
    let level = cluster.cluster(0).await["feature_level"].as_u64();
    assert_eq!(level, Some(LEVEL_BEFORE), "another version than the last one");
    let recorded = fill(&cluster).await;
    let text = serde_json::to_string_pretty(&recorded).expect("JSON");
    fs::write(cluster.directory().join(ANSWERS), text).expect("a file");
    for node in 0..REGIONS.len() {
        cluster.stop(node, LIMIT).await;
    }
    cluster.pack(&archive_file(), &[ANSWERS]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_the_last_version_starts_with_its_data() {
    let _turn = fleet::turn().await;
    let options = ClusterOptions { archive: Some(archive_file()), ..options() };
    let cluster = ProcessCluster::start_with(options).await;
    let text = fs::read_to_string(cluster.directory().join(ANSWERS)).expect("the answers");
    let recorded: Recorded = serde_json::from_str(&text).expect("what was recorded");
    assert_eq!(recorded.organizations.len(), REGIONS.len());
    all_is_there(&cluster, &recorded, "after the start").await;
    within("the feature level rises on every node", LIMIT, async || {
        for node in 0..REGIONS.len() {
            let level = cluster.cluster(node).await["feature_level"].as_u64();
            if level != Some(LEVEL_NOW) {
                return Err(format!("node {node}: {level:?}"));
            }
        }
        Ok(())
    })
    .await;
    all_is_there(&cluster, &recorded, "at the new level").await;
    for (id, api_key) in recorded.organizations {
        new_kinds_work(&cluster, &Org { id, api_key }).await;
    }
}

/// What only this version knows works beside the data of the last one, and old credentials have the same
/// numbers at every node.
async fn new_kinds_work(cluster: &ProcessCluster, org: &Org) {
    let put = Request::new("PUT", "/organizations/attributes/since").json(&json!({"value": 3}));
    let put = at_all_regions(with_key(put, org)).send(cluster.url(1)).await;
    assert!((200..300).contains(&put.status), "{put:?}");
    let mut numbers = Vec::new();
    for node in 0..REGIONS.len() {
        let seen = with_key(Request::new("GET", "/organizations/attributes/since"), org);
        let seen = seen.send(cluster.url(node)).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        let search = Request::new("POST", "/management/v1/idps/templates/_search").json(&json!({}));
        let search = search.header("Authorization", &format!("Bearer {}", org.api_key));
        let found = search.send(cluster.url(node)).await;
        assert_eq!(found.status, 200, "{found:?}");
        numbers.push(found.json()["result"].clone());
        assert_eq!(numbers[node], numbers[0], "at node {node}");
    }
    let count = numbers[0].as_array().map_or(0, Vec::len);
    assert_eq!(count, credentials("").len() - 1, "all but the deleted one: {}", numbers[0]);
}
