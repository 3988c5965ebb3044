//! `concordat`, the command line, against real nodes: each command once, and its exit codes.

use std::process::Output;

use concordat_tests::{process, wait::LIMIT};
use serde_json::Value;

use crate::world::{SECRET, caller, demo};

const REFUSED: i32 = 3;
const USAGE: i32 = 2;
const UNAVAILABLE: i32 = 4;

/// A user of the command line, with everything in the environment.
struct User {
    environment: Vec<(&'static str, String)>,
}

impl User {
    async fn run(&self, arguments: &[&str]) -> Output {
        let arguments = [arguments, &["--output", "json"]].concat();
        process::run("concordat", &arguments, &self.environment, LIMIT).await
    }

    /// Its output, if it succeeds.
    async fn says(&self, arguments: &[&str]) -> Value {
        let ended = self.run(arguments).await;
        let reason = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{arguments:?}: {}: {reason}", ended.status);
        serde_json::from_slice(&ended.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {ended:?}"))
    }

    async fn fails(&self, arguments: &[&str], code: i32) {
        let ended = self.run(arguments).await;
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?} does not say why");
        for said in [&ended.stdout, &ended.stderr] {
            assert!(!String::from_utf8_lossy(said).contains(SECRET), "{ended:?}");
        }
    }
}

async fn user(name: &str) -> User {
    let (demo, caller, directory) = (demo().await, caller(name).await, std::env::temp_dir());
    User {
        environment: vec![
            ("CONCORDAT_ENDPOINTS", caller.urls.join(",")),
            ("CONCORDAT_ORG", caller.org.id),
            ("CONCORDAT_API_KEY", caller.org.api_key),
            ("CONCORDAT_OPERATOR_KEY", demo.operator_key.clone()),
            // No user's own contexts.
            ("XDG_CONFIG_HOME", directory.join("no-such-config").display().to_string()),
            ("THE_SECRET", SECRET.to_owned()),
        ],
    }
}

#[tokio::test]
async fn the_life_of_a_credential() {
    let user = user("command line").await;
    let create = ["credential", "create", "web/1", "--provider", "google", "--client-secret-env"];
    let create = [&create[..], &["THE_SECRET", "--label", "one", "--scope", "calendar"]].concat();
    let created = user.says(&create).await;
    assert_eq!(created["receipt"]["achieved"], true, "{created}");
    let got = user.says(&["credential", "get", "web/1"]).await;
    assert_eq!(got["credential"]["label"], "one", "{got}");
    assert!(!got.to_string().contains(SECRET), "{got}");
    let etag = got["etag"].as_str().expect("a version").to_owned();
    let patch = ["credential", "patch", "web/1", "--label", "two", "--if-match", &etag];
    let patched = user.says(&[&patch[..], &["--consistency", "all_regions"]].concat()).await;
    assert_eq!(patched["receipt"]["required"], "all_regions", "{patched}");
    user.fails(&patch, REFUSED).await;
    let id = patched["write_id"].as_str().expect("a write id");
    let waited = user.says(&["write", "wait", id, "--timeout", "20"]).await;
    assert_eq!(waited["write_id"], patched["write_id"], "{waited}");
    let listed = user.says(&["credential", "list", "--provider", "google"]).await;
    assert_eq!((&listed["total_count"], &listed["items"][0]["label"]), (&1.into(), &"two".into()));
    user.says(&["credential", "delete", "web/1"]).await;
    user.fails(&["credential", "get", "web/1"], REFUSED).await;
    user.fails(&["credential", "patch", "web/1", "--label", "x"], REFUSED).await;
}

#[tokio::test]
async fn the_life_of_other_resources() {
    let user = user("other resources").await;
    let url = "https://idp.example/metadata";
    let made = user.says(&["saml", "create", "--metadata-url", url, "--label", "one"]).await;
    assert_eq!(made["written"]["receipt"]["achieved"], true, "{made}");
    let id = made["created"]["id"].as_str().expect("an id").to_owned();
    let got = user.says(&["saml", "get", &id]).await;
    assert_eq!(got["credential"]["idp_metadata_url"], url, "{got}");
    let etag = got["etag"].as_str().expect("a version").to_owned();
    let patch = ["saml", "patch", &id, "--email-claim", "mail", "--if-match", &etag];
    let patched = user.says(&[&patch[..], &["--consistency", "all_regions"]].concat()).await;
    assert_eq!(patched["receipt"]["regions"].as_array().map(Vec::len), Some(3), "{patched}");
    user.fails(&patch, REFUSED).await;
    let listed = user.says(&["saml", "list"]).await;
    assert_eq!(listed["items"][0]["email_claims"], serde_json::json!(["mail"]), "{listed}");
    user.says(&["saml", "delete", &id]).await;
    user.fails(&["saml", "get", &id], REFUSED).await;

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("blob.json");
    std::fs::write(&file, format!("{{\"token\":\"{SECRET}\"}}\n")).unwrap();
    let path = file.to_str().expect("a path of text");
    let create = ["external", "create", "--provider", "shopify", "--type", "access_token"];
    let made = user.says(&[&create[..], &["--json-file", path]].concat()).await;
    let id = made["created"].as_str().expect("an id").to_owned();
    let listed = user.says(&["external", "list"]).await;
    assert!(!listed.to_string().contains(SECRET), "{listed}");
    let got = user.says(&["external", "get", &id]).await;
    assert_eq!(got["credential"]["json_blob"]["token"], SECRET, "{got}");
    std::fs::write(&file, SECRET).unwrap();
    user.fails(&["external", "patch", &id, "--json-file", path], USAGE).await;
    user.says(&["external", "patch", &id, "--label", "shop"]).await;
    user.says(&["external", "delete", &id]).await;
    user.fails(&["external", "get", &id], REFUSED).await;

    user.says(&["attribute", "set", "crm id", r#"{"tier":3}"#]).await;
    let got = user.says(&["attribute", "get", "crm id"]).await;
    assert_eq!(got["attribute"]["value"]["tier"], 3, "{got}");
    user.fails(&["attribute", "set", "crm id", "{"], USAGE).await;
    let listed = user.says(&["attribute", "list"]).await;
    assert_eq!(listed["items"], serde_json::json!([{"name": "crm id"}]), "{listed}");
    user.says(&["attribute", "delete", "crm id"]).await;
    user.fails(&["attribute", "get", "crm id"], REFUSED).await;
}

#[tokio::test]
async fn the_life_of_a_key() {
    let mut user = user("keys").await;
    let everywhere = ["--consistency", "all_regions"];
    let issue = ["key", "issue", "--right", "read", "--right", "admin", "--label", "one"];
    let made = user.says(&[&issue[..], &everywhere].concat()).await;
    assert_eq!(made["key"]["rights"], serde_json::json!(["read", "admin"]), "{made}");
    let (id, text) = (made["key"]["id"].clone(), made["key"]["api_key"].clone());
    let (id, text) = (id.as_str().expect("an id"), text.as_str().expect("a key"));
    let listed = user.says(&["key", "list"]).await;
    assert_eq!((&listed["total_count"], &listed["items"][1]["label"]), (&2.into(), &"one".into()));
    assert!(!listed.to_string().contains(text), "{listed}");
    user.environment.retain(|(name, _)| *name != "CONCORDAT_API_KEY");
    user.environment.push(("CONCORDAT_API_KEY", text.to_owned()));
    user.fails(&["key", "issue", "--right", "write"], REFUSED).await;
    user.fails(&["key", "issue"], USAGE).await;
    user.fails(&["key", "revoke", "it"], USAGE).await;
    let rotate = ["key", "rotate", "--idempotency-key", "rotation"];
    let rotated = user.says(&[&rotate[..], &everywhere].concat()).await;
    let again = user.says(&rotate).await;
    assert_eq!(again["key"], rotated["key"], "the repeat by the old key shows the new one");
    user.fails(&["key", "list"], REFUSED).await;
    let new = rotated["key"]["api_key"].as_str().expect("a key").to_owned();
    user.environment.push(("CONCORDAT_API_KEY", new));
    let first = listed["items"][0]["id"].as_str().expect("an id");
    user.says(&[&["key", "revoke", first][..], &everywhere].concat()).await;
    // The replaced key may be ended before its time, once.
    user.says(&["key", "revoke", id]).await;
    user.fails(&["key", "revoke", id], REFUSED).await;
    let own = rotated["key"]["id"].as_str().expect("an id");
    user.fails(&["key", "revoke", own], REFUSED).await;
}

#[tokio::test]
async fn the_life_of_a_suborganization() {
    let mut user = user("parents").await;
    user.fails(&["suborg", "create", "a part", "--admin", "fax=1"], USAGE).await;
    let create = ["suborg", "create", "a part", "--admin", "email_address=admin@example.com"];
    let keyed = ["--idempotency-key", "part", "--consistency", "all_regions"];
    let made = user.says(&[&create[..], &keyed].concat()).await;
    let again = user.says(&[&create[..], &keyed].concat()).await;
    assert_eq!(again["organization"], made["organization"], "the repeat shows the key again");
    let text = |member: &str| made["organization"][member].as_str().expect("a text").to_owned();
    let (id, key) = (text("id"), text("api_key"));
    let listed = user.says(&["suborg", "list"]).await;
    assert_eq!(
        (&listed["total_count"], &listed["items"][0]["id"]),
        (&1.into(), &id.clone().into())
    );
    assert_eq!(listed["items"][0]["admins"][0]["value"], "admin@example.com", "{listed}");
    assert!(!listed.to_string().contains(&key), "{listed}");
    user.fails(&["org", "delete-own"], REFUSED).await;
    let parent = user.environment.clone();
    user.environment.push(("CONCORDAT_ORG", id.clone()));
    user.environment.push(("CONCORDAT_API_KEY", key));
    user.says(&["org", "delete-own", "--consistency", "all_regions"]).await;
    user.fails(&["suborg", "list"], REFUSED).await;
    user.environment = parent;
    let made = user.says(&create).await;
    let id = made["organization"]["id"].as_str().expect("an id");
    user.says(&["org", "delete", id]).await;
    user.fails(&["org", "delete", id], REFUSED).await;
    user.says(&["org", "delete-own"]).await;
}

#[tokio::test]
async fn the_operators_commands() {
    let user = user("operators").await;
    let status = user.says(&["status"]).await;
    assert_eq!(status["regions"].as_array().map(Vec::len), Some(3), "{status}");
    let made =
        user.says(&["org", "create", "By command line", "--home-region", "asia-japan"]).await;
    assert_eq!(made["organization"]["home_region"], "asia-japan", "{made}");
    let id = made["organization"]["id"].clone();
    assert!(made["api_key"].as_str().is_some_and(|key| key.starts_with("ck_")), "a key");
    let domain = ["--enterprise-domain", "command-line.example"];
    let with_domain = user.says(&[&["org", "create", "With a domain"], &domain[..]].concat()).await;
    assert_eq!(with_domain["enterprise_domain"], "command-line.example", "{with_domain}");
    user.fails(&[&["org", "create", "Without"], &domain[..]].concat(), REFUSED).await;
    let listed = user.says(&["org", "list"]).await;
    let items = listed["items"].as_array().expect("items");
    assert!(items.iter().any(|item| item["id"] == id), "{listed}");
}

#[tokio::test]
async fn the_operators_key_may_be_in_a_file() {
    let mut user = user("operators with a file").await;
    user.environment.retain(|(name, _)| *name != "CONCORDAT_OPERATOR_KEY");
    user.fails(&["status"], USAGE).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("operator.key");
    std::fs::write(&file, format!("{}\n", demo().await.operator_key)).unwrap();
    let path = file.to_str().expect("a path of text");
    let status = user.says(&["status", "--operator-key-file", path]).await;
    assert_eq!(status["regions"].as_array().map(Vec::len), Some(3), "{status}");
    user.environment.push(("CONCORDAT_OPERATOR_KEY_FILE", path.to_owned()));
    user.says(&["org", "list"]).await;
    std::fs::remove_file(&file).unwrap();
    user.fails(&["org", "list"], USAGE).await;
}

#[tokio::test]
async fn exit_codes_tell_failures_apart() {
    let mut user = user("exit codes").await;
    user.fails(&["credential", "create", "x"], USAGE).await;
    user.fails(&["credential", "list", "--timeout", "0"], USAGE).await;
    user.environment.push(("CONCORDAT_API_KEY", "ck_wrong".to_owned()));
    user.fails(&["credential", "list"], REFUSED).await;
    // No process listens at the discard port.
    user.environment.push(("CONCORDAT_ENDPOINTS", "http://127.0.0.1:9".to_owned()));
    user.fails(&["credential", "list", "--timeout", "1"], UNAVAILABLE).await;
}

#[tokio::test]
async fn an_organization_is_moved_and_waited_for() {
    let user = user("moved by command").await;
    let org = user.environment.iter().find(|(name, _)| *name == "CONCORDAT_ORG");
    let org = org.expect("its id").1.clone();
    let there = user.says(&["org", "move", &org, "--to", "asia-japan", "--wait", "60s"]).await;
    assert_eq!(there["home_region"], "asia-japan", "{there}");
    user.fails(&["org", "move", &org, "--cancel"], REFUSED).await;
    user.fails(&["org", "move", &org, "--to", "atlantis"], REFUSED).await;
    user.fails(&["org", "move", &org], USAGE).await;
    user.fails(&["org", "move", &org, "--to", "us-iowa", "--cancel"], USAGE).await;
}

#[tokio::test]
async fn policies_are_put_tested_and_read() {
    let user = user("policies").await;
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let text =
        "@id(\"freeze\") forbid (principal, action == Action::\"attribute_put\", resource);\n";
    let (freeze, none) = (file("freeze.cedar", text), file("none.cedar", ""));
    user.says(&["policy", "put", "--own", &freeze]).await;
    let got = user.says(&["policy", "get", "--own"]).await;
    assert_eq!(got["policies"]["policies"], text, "{got}");
    user.fails(&["attribute", "set", "a", "1"], REFUSED).await;
    let org = user.environment[1].1.as_str();
    let test = ["policy", "test", "attribute_put", "--organization", org, "--right", "write"];
    let denied = user.says(&test).await;
    assert_eq!(
        (&denied["allowed"], &denied["determining"][0]["id"]),
        (&false.into(), &"freeze".into())
    );
    let allowed = user.says(&[&test[..], &["--own-policies", &none]].concat()).await;
    assert_eq!(allowed["allowed"], true, "{allowed}");
    let wrong = file("wrong.cedar", "permit (principal, action, resource);");
    user.fails(&["policy", "put", "--own", &wrong], REFUSED).await;
    let etag = got["etag"].as_str().unwrap();
    user.says(&["policy", "put", "--own", &none, "--if-match", etag]).await;
    user.says(&["attribute", "set", "a", "1"]).await;
    let shown = user.says(&["policy", "get", "--schema"]).await;
    assert!(shown["policies"]["schema"].as_str().unwrap().contains("entity Key"), "{shown}");
}
