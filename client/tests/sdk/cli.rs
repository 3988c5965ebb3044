//! The binary: exit codes, both forms of output, and where its settings come from.

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::fake::{API_KEY, Fake, OPERATOR_KEY, ORG, Reply, WRITE, nobody, receipt};

/// Runs the binary in an environment of its own.
async fn concordat(environment: &[(&str, &str)], args: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_concordat"));
    command.env_clear().envs(environment.iter().copied()).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let stdin = stdin.to_owned();
    let run = move || {
        let mut child = command.spawn().unwrap();
        // A program that does not read its input does not need it.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn run(url: &str, args: &[&str], stdin: &str) -> (i32, String, String) {
    let environment = [
        ("CONCORDAT_ENDPOINTS", url),
        ("CONCORDAT_ORG", ORG),
        ("CONCORDAT_API_KEY", API_KEY),
        ("CONCORDAT_OPERATOR_KEY", OPERATOR_KEY),
        ("MY_SECRET", "from-env"),
    ];
    let output = concordat(&environment, args, stdin).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_write_shows_its_receipt() {
    let fake = Fake::start([Reply::written(201, true)]).await;
    let create = ["credential", "create", "a", "--provider", "google", "--client-secret-file", "-"];
    let (code, out, err) = run(&fake.url, &create, "from-stdin\n").await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("all_regions reached after 12.0 ms, committed"), "{out}");
    assert!(out.contains("  asia-japan  applied\n"), "{out}");
    assert!(out.contains("  us-iowa     applied        1.2 ms\n"), "{out}");
    let seen = &fake.seen()[0];
    assert_eq!(seen.json()["client_secret"], "from-stdin");
    assert_eq!(seen.header("slashid-api-key"), Some(API_KEY));

    let patch = "credential patch a --client-secret-env MY_SECRET --scope s --provider okta \
                 --if-match v --consistency all_regions --timeout 9 -o json";
    let patch: Vec<_> = patch.split_whitespace().collect();
    let (code, out, _) = run(&fake.url, &patch, "").await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &shown["write_id"]), (0, &json!(WRITE)));
    assert_eq!(shown["receipt"]["regions"][1]["applied_ms"], json!(1.2));
    let seen = &fake.seen()[0];
    assert_eq!(seen.header("slashid-required-consistency"), Some("all_regions"));
    assert_eq!(seen.header("slashid-required-consistency-timeout"), Some("9"));
    let options = json!({"okta": {"authorize_scopes": ["s"]}});
    assert_eq!(seen.json(), json!({"client_secret": "from-env", "options": options}));
}

#[tokio::test]
async fn exit_codes() {
    let delete = ["credential", "delete", "a", "--timeout", "1"];
    let fake = Fake::start([Reply::refusal(404, "no such credential")]).await;
    let (code, out, err) = run(&fake.url, &delete, "").await;
    assert_eq!((code, out.as_str()), (3, ""));
    assert_eq!(err, "error: refused with status 404: no such credential\n");

    let (code, _, err) = run(&nobody().await, &delete, "").await;
    assert_eq!(code, 4);
    assert!(err.starts_with("error: unavailable: cannot connect to http://127.0.0.1"), "{err}");

    let fake = Fake::start([Reply::written(408, false)]).await;
    let (code, out, err) = run(&fake.url, &delete, "").await;
    assert_eq!(code, 5);
    assert!(out.contains("  asia-japan  pending\n"), "{out}");
    assert!(err.contains(&format!("concordat write wait {WRITE}\n")), "{err}");

    let fake = Fake::start([Reply::HangUp, Reply::refusal(401, "no")]).await;
    let (code, _, err) = run(&fake.url, &delete, "").await;
    assert_eq!(code, 6);
    let key = fake.seen()[0].header("idempotency-key").unwrap().to_owned();
    assert!(err.contains(&format!("--idempotency-key {key}")), "{err}");
}

#[tokio::test]
async fn errors_as_json() {
    let fake = Fake::start([Reply::refusal(412, "changed"), Reply::written(408, false)]).await;
    let delete = ["credential", "delete", "a", "-o", "json"];
    let (code, out, err) = run(&fake.url, &delete, "").await;
    assert_eq!((code, out.as_str()), (3, ""));
    let error = serde_json::from_str::<Value>(&err).unwrap()["error"].take();
    assert_eq!((&error["kind"], &error["status"]), (&json!("refused"), &json!(412)));

    let (code, out, err) = run(&fake.url, &delete, "").await;
    assert_eq!(code, 5);
    let receipt: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(receipt["achieved"], json!(false));
    let error = serde_json::from_str::<Value>(&err).unwrap()["error"].take();
    assert_eq!(error["kind"], "timed_out");
}

#[tokio::test]
async fn usage() {
    let create = ["credential", "create", "a", "--provider", "google"];
    for args in [
        &["credential", "frobnicate"][..],
        &["credential", "list", "--consistency", "everywhere"],
        &["credential", "delete", "a", "--timeout", "0"],
        &["credential", "patch", "a", "--scope", "x"],
        &["credential", "patch", "a", "--provider", "okta", "--tenant", "x"],
        &["credential", "patch", "a", "--client-secret-env", "NOT_SET"],
        &["credential", "delete", ""],
        &create,
    ] {
        let (code, out, _) = run("http://127.0.0.1:1", args, "").await;
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
    }
    let (code, _, err) = run("https://127.0.0.1:1", &["status"], "").await;
    assert_eq!(code, 2);
    assert!(err.contains("https is not supported yet"), "{err}");
    let (code, out, _) = run("http://127.0.0.1:1", &["--help"], "").await;
    assert_eq!(code, 0);
    assert!(!out.contains(API_KEY) && !out.contains(OPERATOR_KEY), "{out}");
}

#[tokio::test]
async fn reads() {
    let credential = json!({"client_id": "a", "provider": "google", "label": "\u{1b}[31mred"});
    let fake = Fake::start([
        Reply::result(&json!([credential])).with("concordat-read", "stale; as-of=T"),
        Reply::result(&credential).with("etag", "\"v\"").with("concordat-read", "current"),
    ])
    .await;
    let (code, out, err) = run(&fake.url, &["credential", "list"], "").await;
    assert_eq!(code, 0);
    assert!(out.starts_with("CLIENT ID  PROVIDER  LABEL") && !out.contains('\u{1b}'), "{out}");
    assert!(err.contains("current as of T"), "{err}");
    let (_, out, _) = run(&fake.url, &["-o", "json", "credential", "get", "a"], "").await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shown["etag"], &shown["freshness"]), (&json!("\"v\""), &json!("current")));
    assert_eq!(shown["credential"]["client_id"], "a");
}

#[tokio::test]
async fn write_wait() {
    let waits = [Reply::result(&receipt(false)), Reply::result(&receipt(true))];
    let fake = Fake::start(waits).await;
    let wait = ["write", "wait", WRITE, "--timeout", "3"];
    let (code, out, err) = run(&fake.url, &wait, "").await;
    assert_eq!(code, 5);
    assert!(out.contains("pending") && err.contains("concordat write wait"), "{out}{err}");
    let here = [&wait[..], &["--consistency", "local_region"]].concat();
    let (code, out, _) = run(&fake.url, &here, "").await;
    assert_eq!(code, 0);
    assert!(!out.contains("pending"), "{out}");
    let seen = fake.seen();
    let asked: Vec<String> = seen.iter().map(|seen| seen.target.clone()).collect();
    let target = |level| format!("/v1/writes/{WRITE}?required={level}&wait=3");
    assert_eq!(asked, [target("all_regions"), target("local_region")]);
    assert_eq!(seen[0].header("slashid-orgid"), Some(ORG), "the organization's, unless said");
}

#[tokio::test]
async fn the_operators_commands() {
    let org = json!({"id": ORG, "org_name": "O", "home_region": "us-iowa", "api_key": "ck_new"});
    let body = json!({"meta": {"consistency": receipt(true)}, "result": org});
    let status = json!({
        "cluster_id": ORG,
        "regions": [{"region": "us-iowa", "nodes": [{
            "node_id": "00000000000000aa", "url": "http://a", "live": true,
            "groups": [{"group": 1, "role": "leader", "applied": 5}],
        }]}],
        "groups": [
            {"group": 0, "region": null, "regions": [
                {"region": "us-iowa", "applied": 7, "lag_entries": 0, "lag_ms": 0, "age_ms": 9},
            ]},
            {"group": 1, "region": "us-iowa", "regions": [
                {"region": "asia-japan", "applied": 2, "lag_entries": 3, "lag_ms": 1500,
                 "age_ms": 40},
                {"region": "europe"},
            ], "write_available": {"all_regions": {"ok": false, "reason": "asia is cut\u{1b} off"}}},
        ],
        "write_available": {
            "local_region": {"ok": false, "reason": "all is lost"},
            "all_regions": {"ok": false, "reason": "group 1: asia is cut off"},
        },
    });
    let replies = [
        Reply::json(201, &body),
        Reply::result(&json!([org])),
        Reply::result(&status),
        Reply::written(408, false),
    ];
    let fake = Fake::start(replies).await;
    let (code, out, _) = run(&fake.url, &["org", "create", "O", "-o", "json"], "").await;
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["api_key"], "ck_new");
    let (_, out, _) = run(&fake.url, &["org", "list"], "").await;
    assert!(out.contains(ORG) && !out.contains("ck_new"), "{out}");
    let (code, out, _) = run(&fake.url, &["status"], "").await;
    assert_eq!(code, 7, "it is degraded");
    let expected = "cluster af5fbd30-7ce7-4548-8b30-4cd59cb2aba1\n\
        a local_region write now: would not succeed: all is lost\n\
        an all_regions write now: would not succeed\n  \
          group 1 (us-iowa): asia is cut\u{fffd} off\n\n\
        REGION   NODE              URL       LIVE  HEARD  REPLICAS\n\
        us-iowa  00000000000000aa  http://a  yes   -      1:leader@5\n\n\
        GROUP  HOME     LEADER  TERM  APPLIED\n\
        0      system   -       -     -\n\
        1      us-iowa  -       -     -\n\n\
        GROUP  REGION      APPLIED  BEHIND  FOR      REPORTED\n\
        0      us-iowa     7        0       0 ms     9 ms ago\n\
        1      asia-japan  2        3       1500 ms  40 ms ago\n\
        1      europe      -        -       -        -\n";
    assert_eq!(out, expected);
    let (code, _, err) = run(&fake.url, &["org", "create", "O"], "").await;
    assert_eq!(code, 5);
    assert!(err.contains(&format!("concordat write wait {WRITE} --operator\n")), "{err}");
}

#[tokio::test]
async fn a_context_of_the_config_file() {
    let fake = Fake::start([Reply::result(&json!([]))]).await;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("concordat");
    fs::create_dir(&folder).unwrap();
    let key_file = home.path().join("key");
    fs::write(&key_file, format!("{API_KEY}\n")).unwrap();
    let file = format!(
        "default_context = 'a'\n[contexts.a]\norg = '{ORG}'\napi_key_file = '{}'\n\
         [[contexts.a.regions]]\nname = 'us-iowa'\nendpoints = ['{}']\n\
         [contexts.b]\nendpoints = ['{}']\n",
        key_file.display(),
        fake.url,
        nobody().await,
    );
    fs::write(folder.join("config.toml"), file).unwrap();
    let environment = [("XDG_CONFIG_HOME", home.path().to_str().unwrap())];
    let list = ["credential", "list"];
    assert_eq!(concordat(&environment, &list, "").await.status.code(), Some(0));
    assert_eq!(fake.seen()[0].header("slashid-api-key"), Some(API_KEY));
    // The other context knows no organization.
    let args = [&list[..], &["--context", "b"]].concat();
    assert_eq!(concordat(&environment, &args, "").await.status.code(), Some(2));
    let args = [&list[..], &["--context", "c"]].concat();
    assert_eq!(concordat(&environment, &args, "").await.status.code(), Some(2));

    fs::write(folder.join("config.toml"), "[contexts.a]\napi_key = \"hunter2\nx").unwrap();
    let output = concordat(&environment, &list, "").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"));
}
