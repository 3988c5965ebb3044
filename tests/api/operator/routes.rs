//! Contract 7 and the operator's other endpoints: organizations, the cluster, its digests, and the
//! demo's switches.

use std::collections::BTreeSet;

use concordat_tests::{demo::REGIONS, http::Request, wait};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{
    SECRET, assert_failure, assert_marked, assert_success, assert_written, caller, demo, draft,
    members,
};

const ORGS: &str = "/v1/organizations";

async fn make(body: &Value) -> Request {
    demo().await.by_operator("POST", ORGS).json(body)
}

#[tokio::test]
async fn an_organization_is_made_with_its_first_key() {
    let demo = demo().await;
    let body = json!({"org_name": "Example", "tenant_name": "example", "home_region": REGIONS[1]});
    let made = make(&body).await.header("SlashID-Required-Consistency", "all_regions");
    let made = made.send(demo.url(0, 0)).await;
    let result = assert_success(&made, 201)["result"].take();
    let all = ["id", "org_name", "tenant_name", "home_region", "api_key"];
    assert_eq!(members(&result), all.into());
    for (member, value) in body.as_object().expect("an object") {
        assert_eq!(result[member], *value);
    }
    result["id"].as_str().expect("an id").parse::<Uuid>().expect("a UUID");
    let key = result["api_key"].as_str().expect("a key");
    assert!(key.starts_with("ck_") && key.len() > 43, "{}", key.len());
    assert_eq!(made.header("cache-control"), Some("no-store"));
    // The key opens the organization in every region, and only there.
    for region in 0..3 {
        let list = Request::new("GET", crate::world::OIDC)
            .header("SlashID-OrgID", result["id"].as_str().expect("an id"))
            .header("SlashID-API-Key", key);
        assert_success(&list.send(demo.url(region, 0)).await, 200);
        // Its writes are ordered at home, whatever node receives them.
        let post = Request::new("POST", crate::world::OIDC)
            .header("SlashID-OrgID", result["id"].as_str().expect("an id"))
            .header("SlashID-API-Key", key)
            .json(&draft(&format!("from-{region}")));
        assert_written(&post.send(demo.url(region, 0)).await, 201);
    }
}

#[tokio::test]
async fn defaults_of_an_organization() {
    let demo = demo().await;
    // Its home is where the request landed.
    let made = make(&json!({"org_name": "Here", "unknown": 1})).await.send(demo.url(2, 0)).await;
    let result = assert_success(&made, 201)["result"].take();
    assert_eq!(result["home_region"], REGIONS[2]);
    assert_eq!(result["tenant_name"], "Here");
    // An id can be chosen, once.
    let id = Uuid::new_v4().to_string();
    let body = json!({"org_name": "Chosen", "id": id});
    let chosen = make(&body).await.send(demo.url(0, 0)).await;
    assert_eq!(assert_success(&chosen, 201)["result"]["id"], *id);
    for url in demo.urls() {
        assert_failure(&make(&body).await.send(&url).await, 409);
    }
}

#[tokio::test]
async fn wrong_organizations_are_400() {
    let demo = demo().await;
    let count = || async {
        let list = demo.by_operator("GET", &format!("{ORGS}?limit=1")).send(demo.url(0, 0)).await;
        assert_success(&list, 200)["meta"]["pagination"]["total_count"].take()
    };
    for (body, named) in [
        (json!({}), "org_name"),
        (json!({"org_name": ""}), "org_name"),
        (json!({"org_name": null}), "org_name"),
        (json!({"org_name": 1}), "org_name"),
        (json!({"org_name": "x".repeat(257)}), "org_name"),
        (json!({"org_name": "x", "tenant_name": ["x"]}), "tenant_name"),
        (json!({"org_name": "x", "home_region": "Atlantis"}), "region"),
        (json!({"org_name": "x", "home_region": "atlantis"}), "region"),
        (json!({"org_name": "x", "id": "what"}), "id"),
        (json!({"org_name": " \t "}), "org_name"),
        (json!({"org_name": "\u{a0}\u{2003}"}), "white space"),
        (json!({"org_name": "x\ny"}), "control characters"),
        (json!({"org_name": "x", "tenant_name": "\u{1b}[31mx"}), "tenant_name"),
    ] {
        let answer = make(&body).await.send(demo.url(0, 0)).await;
        let told = assert_failure(&answer, 400);
        assert!(told.contains(named), "{body}: {told}");
    }
    let wrong = make(&json!({"org_name": "refused by header"})).await;
    let wrong = wrong.header("SlashID-Required-Consistency", "x");
    assert_failure(&wrong.send(demo.url(0, 0)).await, 400);
    // Other tests make organizations meanwhile; none by these names.
    assert!(count().await.as_u64().is_some());
    let list = demo.by_operator("GET", ORGS).send(demo.url(0, 0)).await;
    let list = assert_success(&list, 200)["result"].take();
    let names = list.as_array().expect("a list").iter().map(|org| &org["org_name"]);
    for name in names {
        assert!(name != "x" && name != "refused by header", "{name} was made");
    }
}

#[tokio::test]
async fn organizations_are_listed_in_pages_without_keys() {
    let demo = demo().await;
    let mut made = BTreeSet::new();
    for number in 0..3 {
        made.insert(demo.new_org(&format!("listed {number}")).await.id);
    }
    let mut seen: Vec<String> = Vec::new();
    loop {
        let target = format!("{ORGS}?limit=2&offset={}", seen.len());
        let answer = demo.by_operator("GET", &target).send(demo.url(1, 0)).await;
        assert_marked(&answer);
        let body = assert_success(&answer, 200);
        let pagination = &body["meta"]["pagination"];
        assert_eq!(members(pagination), ["limit", "offset", "total_count"].into());
        assert_eq!((&pagination["limit"], &pagination["offset"]), (&json!(2), &json!(seen.len())));
        let page = body["result"].as_array().expect("a list");
        if page.is_empty() {
            break;
        }
        for org in page {
            let all = ["id", "org_name", "tenant_name", "home_region"];
            // Other tests move some.
            let mut found = members(org);
            found.remove("moving_to");
            assert_eq!(found, all.into(), "no key: {org}");
            seen.push(org["id"].as_str().expect("an id").to_owned());
        }
    }
    // Other tests make some in between, which may shift a page.
    let seen: BTreeSet<String> = seen.into_iter().collect();
    assert!(made.is_subset(&seen), "{made:?} in {seen:?}");
}

#[tokio::test]
async fn an_operator_key_opens_no_organization() {
    let (demo, caller) = (demo().await, caller("not the operator's").await);
    caller.create(&draft("kept")).await;
    for request in [
        caller.request("GET", crate::world::OIDC),
        caller.post(&json!({"client_id": "x", "client_secret": SECRET, "provider": "line"})),
        caller.delete("kept"),
    ] {
        caller.refuses(&request.with("SlashID-API-Key", &demo.operator_key), 401, "").await;
    }
}

#[tokio::test]
async fn the_cluster_says_what_stands_and_whether_writes_would_succeed() {
    let demo = demo().await;
    for url in demo.urls() {
        wait::eventually("the cluster is whole", async || {
            let answer = demo.by_operator("GET", "/v1/cluster").send(&url).await;
            let cluster = assert_success(&answer, 200)["result"].take();
            assert!(cluster["cluster_id"].is_string(), "{cluster}");
            let would = &cluster["write_available"];
            if would["local_region"]["ok"] != true || would["all_regions"]["ok"] != true {
                return Err(cluster.to_string());
            }
            assert_eq!(cluster["groups"].as_array().map(Vec::len), Some(4), "{cluster}");
            let names: BTreeSet<&str> = cluster["regions"]
                .as_array()
                .expect("regions")
                .iter()
                .map(|region| region["region"].as_str().expect("a name"))
                .collect();
            assert_eq!(names, REGIONS.into());
            assert_groups(&cluster);
            Ok(())
        })
        .await;
    }
}

fn assert_groups(cluster: &Value) {
    for group in cluster["groups"].as_array().expect("groups") {
        assert!(group["leader"].is_string(), "{group}");
        assert!(group["applied"].as_u64().is_some_and(|applied| applied > 0), "{group}");
        let voters = group["voters"].as_array().expect("voters");
        assert!(!voters.is_empty(), "{group}");
        // Every node has every group: a voter or a learner.
        let learners = group["learners"].as_array().expect("learners");
        assert_eq!(voters.len() + learners.len(), 3, "{group}");
        for lag in group["regions"].as_array().expect("regions") {
            for member in ["region", "applied", "lag_entries"] {
                assert!(!lag[member].is_null(), "{member}: {lag}");
            }
        }
    }
}

#[tokio::test]
async fn digests_can_be_compared() {
    let demo = demo().await;
    for url in demo.urls() {
        let answer = demo.by_operator("GET", "/v1/cluster/digest").send(&url).await;
        let result = assert_success(&answer, 200)["result"].take();
        let groups = result.get("groups").unwrap_or(&result).as_array().expect("groups");
        assert_eq!(groups.len(), 4, "{result}");
        for group in groups {
            let digest = group["digest"].as_str().expect("a digest");
            assert!(digest.len() >= 16 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{group}");
            assert!(group["applied"].is_u64() && group["group"].is_u64(), "{group}");
        }
    }
}

#[tokio::test]
async fn the_demo_switches_only_what_there_is() {
    let demo = demo().await;
    for (body, status) in [
        (json!({}), 400),
        (json!({"region": 1}), 400),
        (json!({"region": "us-iowa", "node": "0000000000000001"}), 400),
        (json!({"node": "what"}), 400),
        (json!({"region": "atlantis"}), 404),
        (json!({"node": "0000000000000001"}), 404),
    ] {
        for target in ["/v1/demo/cut", "/v1/demo/heal"] {
            let answer = demo.by_operator("POST", target).json(&body).send(demo.url(0, 0)).await;
            assert_failure(&answer, status);
        }
    }
    // Healing a region that was never cut has no effect.
    demo.heal_region(REGIONS[2]).await;
}

#[tokio::test]
async fn a_region_is_named_and_its_name_is_taken_back() {
    const TARGET: &str = "/v1/cluster/regions";
    const NAME: &str = "antarctica";
    let demo = demo().await;
    for body in [json!({}), json!({"region": 1}), json!({"region": "Antarctica"})] {
        let answer = demo.by_operator("POST", TARGET).json(&body).send(demo.url(0, 0)).await;
        assert_failure(&answer, 400);
    }
    let shown = async || {
        let answer = demo.by_operator("GET", TARGET).send(demo.url(2, 0)).await;
        let regions = assert_success(&answer, 200)["result"].take();
        let mut regions = regions.as_array().expect("a list").iter();
        regions.find(|region| region["region"] == NAME).cloned()
    };
    let named = json!({"region": NAME});
    for _ in 0..2 {
        let add = demo.by_operator("POST", TARGET).json(&named);
        let add = add.header("SlashID-Required-Consistency", "all_regions");
        assert_written(&add.send(demo.url(2, 0)).await, 200);
        let region = shown().await.expect("it is listed");
        assert_eq!((&region["state"], &region["nodes"]), (&json!("empty"), &json!([])));
        assert!(region.get("group").is_none(), "{region}");
    }
    let one = format!("{TARGET}/{NAME}");
    assert_written(&demo.by_operator("DELETE", &one).send(demo.url(2, 0)).await, 200);
    assert_eq!(shown().await, None);
    assert_failure(&demo.by_operator("DELETE", &one).send(demo.url(2, 0)).await, 400);
}
