//! The binary's behavior for its user when something is wrong: its messages, and how to continue.

use std::{
    fs::OpenOptions,
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    fake::{API_KEY, Fake, OPERATOR_KEY, ORG, Reply, Seen, WRITE, nobody, receipt},
    misbehaving::{Fault, Faulty, Then},
};

const LIMIT: Duration = Duration::from_secs(30);

fn command(url: &str, more: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_concordat"));
    command.env_clear().envs([
        ("CONCORDAT_ENDPOINTS", url),
        ("CONCORDAT_ORG", ORG),
        ("CONCORDAT_API_KEY", API_KEY),
        ("CONCORDAT_OPERATOR_KEY", OPERATOR_KEY),
    ]);
    command.envs(more.iter().copied()).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn output(mut command: Command) -> (i32, String, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

async fn run(url: &str, args: &[&str]) -> (i32, String, String) {
    output(command(url, &[], args)).await
}

fn error(stderr: &str) -> Value {
    serde_json::from_str::<Value>(stderr).unwrap_or_else(|e| panic!("{e}: {stderr}"))["error"]
        .take()
}

#[tokio::test]
async fn a_secret_of_a_variable_loses_its_last_newline() {
    let fake = Fake::start([Reply::written(200, true)]).await;
    let patch = ["credential", "patch", "a", "--client-secret-env", "MY_SECRET"];
    let key = format!("{API_KEY}\n");
    for (value, expected) in [("s\n", "s"), ("s\r\n", "s"), ("s\n\n", "s\n"), ("s", "s")] {
        let more = [("MY_SECRET", value), ("CONCORDAT_API_KEY", &*key)];
        let (code, _, err) = output(command(&fake.url, &more, &patch)).await;
        assert_eq!(code, 0, "{err}");
        let seen = &fake.seen()[0];
        assert_eq!(seen.json()["client_secret"], expected);
        assert_eq!(seen.header("slashid-api-key"), Some(API_KEY));
    }
    let more = [("MY_SECRET", "\n")];
    let (code, _, err) = output(command(&fake.url, &more, &patch)).await;
    assert_eq!(code, 2);
    assert!(err.contains("not set, or empty") && fake.seen().is_empty(), "{err}");
}

#[tokio::test]
async fn an_empty_variable_counts_as_unset() {
    let fake = Fake::start([Reply::result(&json!([]))]).await;
    let empty = [
        ("CONCORDAT_ORG", ""),
        ("CONCORDAT_API_KEY", ""),
        ("CONCORDAT_OPERATOR_KEY_FILE", ""),
        ("CONCORDAT_CONTEXT", ""),
        ("CONCORDAT_CONFIG", ""),
    ];
    let (code, _, err) = output(command(&fake.url, &empty, &["org", "list"])).await;
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = output(command(&fake.url, &empty, &["credential", "list"])).await;
    assert_eq!(code, 2);
    assert!(err.contains("no organization and API key were given"), "{err}");
    let none = [("CONCORDAT_ENDPOINTS", "")];
    let (code, _, err) = output(command(&fake.url, &none, &["org", "list"])).await;
    assert_eq!(code, 2);
    assert!(err.contains("no endpoint"), "{err}");
}

#[tokio::test]
async fn usage_errors_are_json_where_json_is_asked_for() {
    for args in [
        &["credential", "frobnicate"][..],
        &["credential", "list", "--consistency", "everywhere"],
        &["credential", "delete", "a", "--timeout", "0"],
        &["credential", "create", "a"],
        &["credential", "create", "a", "--provider", "google"],
        &["node", "drain", "170"],
        &["credential", "list", "--idempotency-key", "k"],
        &[],
    ] {
        let args = [args, &["-o", "json"]].concat();
        let (code, out, err) = run("http://127.0.0.1:1", &args).await;
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        let error = error(&err);
        assert_eq!(error["kind"], "usage", "{args:?}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{args:?}");
    }
}

#[tokio::test]
async fn usage_errors_name_what_is_allowed() {
    let create = ["credential", "create", "a", "--provider", "myspace"];
    for (args, allowed) in [
        (&["credential", "list", "--consistency", "everywhere"][..], "local_region, all_regions"),
        (&["credential", "list", "--timeout", "0"], "1s to 120s"),
        (&["credential", "list", "--timeout", "soon"], "60s, 2m"),
        (&create, "google, github, bitbucket"),
        (&["credential", "list", "--org", "example"], "UUID"),
        (&["org", "move", ORG, "--to", "US East"], "a-z, 0-9 and -"),
        (&["org", "set", ORG, "stale-secrets=maybe"], "stale-secrets=refuse"),
        (&["cluster", "set", "lease=500,1500"], "500ms"),
        (&["cluster", "set", "survival_goal=all"], "survival_goal=region"),
        (&["node", "remove", "170"], "16 hexadecimal digits"),
    ] {
        let (code, _, err) = run("http://127.0.0.1:1", args).await;
        assert_eq!(code, 2, "{args:?}");
        assert!(err.contains(allowed), "{args:?}: {err}");
    }
}

#[tokio::test]
async fn durations_have_one_grammar() {
    let fake = Fake::start([Reply::written(200, true)]).await;
    for (timeout, seconds) in [("9", "9"), ("9s", "9"), ("1500ms", "2"), ("1m30s", "90")] {
        let (code, _, err) =
            run(&fake.url, &["credential", "delete", "a", "--timeout", timeout]).await;
        assert_eq!(code, 0, "{err}");
        let seen = &fake.seen()[0];
        assert_eq!(seen.header("slashid-required-consistency-timeout"), Some(seconds));
    }
    let apple = "credential patch a --apple-team-id ABCDE12345 --apple-key-id ABCDE12345 \
                 --apple-secret-lifetime 86400";
    let (code, _, err) = run(&fake.url, &apple.split_whitespace().collect::<Vec<_>>()).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(fake.seen()[0].json()["options"]["apple"]["secret_lifetime"], "24h0m0s");
}

#[tokio::test]
async fn a_first_endpoint_that_never_answers_is_survived_in_time() {
    let silent = Faulty::start(Fault::Says(String::new(), Then::Hangs)).await;
    let fake = Fake::start([Reply::written(200, true)]).await;
    let began = Instant::now();
    let urls = format!("{},{}", silent.url, fake.url);
    let (code, _, err) = run(&urls, &["credential", "delete", "a", "--timeout", "10"]).await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(began.elapsed() < Duration::from_secs(10));
    let key = fake.seen()[0].header("idempotency-key").unwrap().to_owned();
    assert_eq!(silent.keys(), [key]);
}

#[tokio::test]
async fn a_degraded_cluster_has_an_exit_code() {
    const NODE: &str = "00000000000000aa";
    let status = |ok: bool, live: bool, leader: Option<&str>| {
        Reply::result(&json!({
            "cluster_id": ORG,
            "regions": [{"region": "us-iowa", "nodes": [{"node_id": NODE, "live": live}]}],
            "groups": [{"group": 0, "leader": leader}],
            "write_available": {"local_region": {"ok": true}, "all_regions": {"ok": ok}},
        }))
    };
    let leader = Some(NODE);
    for (reply, expected) in [
        (status(true, true, leader), 0),
        (status(false, true, leader), 7),
        (status(true, false, leader), 7),
        (status(true, true, None), 7),
    ] {
        let fake = Fake::start([reply]).await;
        for output in ["table", "json"] {
            let (code, out, err) = run(&fake.url, &["status", "-o", output]).await;
            assert_eq!(code, expected, "{err}");
            assert!(!out.is_empty());
        }
    }
    let (code, _, _) = run(&nobody().await, &["status"]).await;
    assert_eq!(code, 4, "that is another matter");
}

/// Begins a command that waits for an endpoint that never answers, and sends it a signal.
async fn signaled(signal: &str, args: &[&str]) -> (i32, String, String, Vec<String>) {
    let silent = Faulty::start(Fault::Says(String::new(), Then::Hangs)).await;
    let child = command(&silent.url, &[], args).spawn().unwrap();
    let deadline = Instant::now() + LIMIT;
    while silent.heads().is_empty() {
        assert!(Instant::now() < deadline, "nothing was asked");
        sleep(Duration::from_millis(10)).await;
    }
    let pid = child.id().to_string();
    let killed = Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(killed.success());
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let Output { status, stdout, stderr } = ended.await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr), silent.keys())
}

#[tokio::test]
async fn an_interrupted_write_says_how_to_go_on() {
    let patch = ["credential", "patch", "a b", "--label", "x", "--client-secret", "hunter2"];
    let (code, out, err, keys) = signaled("-INT", &patch).await;
    assert_eq!((code, out.as_str()), (130, ""));
    let key = &keys[0];
    assert!(err.contains(&format!("idempotency key {key}")), "{err}");
    let next = format!(
        "next: concordat credential patch 'a b' --label x --client-secret ... --idempotency-key {key}"
    );
    assert!(err.contains(&next) && !err.contains("hunter2"), "{err}");

    let (code, _, err, keys) = signaled("-TERM", &[&patch[..], &["-o", "json"]].concat()).await;
    assert_eq!(code, 143);
    let error = error(&err);
    assert_eq!(
        (&error["kind"], &error["idempotency_key"]),
        (&json!("interrupted"), &json!(keys[0]))
    );

    let wait = ["write", "wait", WRITE, "--timeout", "60"];
    let (code, _, err, _) = signaled("-INT", &wait).await;
    assert_eq!(code, 130);
    assert!(err.contains(&format!("next: concordat write wait {WRITE} --timeout 60")), "{err}");
}

/// Interrupts a command after this number of requests; its output, and the requests.
async fn interrupted_after(
    mut command: Command,
    fake: &Fake,
    count: usize,
) -> ((i32, String), Vec<Seen>) {
    let child = command.spawn().unwrap();
    let (mut seen, deadline) = (fake.seen(), Instant::now() + LIMIT);
    while seen.len() < count {
        assert!(Instant::now() < deadline, "it does not wait");
        sleep(Duration::from_millis(10)).await;
        seen.extend(fake.seen());
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let ended = ended.await.unwrap();
    ((ended.status.code().unwrap(), String::from_utf8(ended.stderr).unwrap()), seen)
}

/// The write is answered, and the command waits for its consequences.
#[tokio::test]
async fn an_interrupted_wait_names_the_write() {
    let node = "00000000000000aa";
    let left = Reply::result(&json!([{"node_id": node, "region": "b", "state": "leaving"}]));
    let fake = Fake::start([Reply::written(200, true), left]).await;
    let remove = command(&fake.url, &[], &["node", "remove", node]);
    let ((code, err), seen) = interrupted_after(remove, &fake, 2).await;
    assert_eq!(code, 130);
    let key = seen[0].header("idempotency-key").unwrap();
    assert!(err.contains(&format!("write {WRITE}")) && err.contains(key), "{err}");
}

#[tokio::test]
async fn an_interrupted_move_says_that_it_goes_on() {
    let org = json!({"id": ORG, "org_name": "O", "home_region": "us-iowa", "moving_to": "b"});
    let fake = Fake::start([Reply::result(&org)]).await;
    let child = command(&fake.url, &[], &["org", "move", ORG, "--to", "b", "--wait", "60s"]);
    let (code, err) = interrupted_after(child, &fake, 2).await.0;
    assert_eq!(code, 130);
    assert!(err.contains(&format!("the move of organization {ORG} to b has begun")), "{err}");
    assert!(err.contains(&format!("next: concordat org move {ORG} --to b --wait 60s\n")), "{err}");
}

#[tokio::test]
async fn a_key_that_could_not_be_shown_can_be_had_again() {
    let org = json!({"id": ORG, "org_name": "O", "home_region": "us-iowa", "api_key": "ck_new"});
    let body = json!({"meta": {"consistency": receipt(true)}, "errors": [], "result": org});
    let fake = Fake::start([Reply::json(201, &body)]).await;
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut create = command(&fake.url, &[], &["org", "create", "O"]);
    create.stdout(full());
    let (code, _, err) = output_of(create).await;
    assert_eq!(code, 1);
    let key = fake.seen()[0].header("idempotency-key").unwrap().to_owned();
    assert!(err.contains(ORG) && err.contains("its API key was not shown"), "{err}");
    let next = format!("next: concordat org create O --idempotency-key {key}");
    assert!(err.contains(&next) && !err.contains("ck_new"), "{err}");
    let again = ["org", "create", "O", "--idempotency-key", &key];
    let (code, out, _) = run(&fake.url, &again).await;
    assert!(code == 0 && out.contains("ck_new"), "{out}");
    assert_eq!(fake.seen()[0].header("idempotency-key"), Some(&*key));

    // Any other write reports that it was done.
    let fake = Fake::start([Reply::written(200, true)]).await;
    let mut delete = command(&fake.url, &[], &["credential", "delete", "a"]);
    delete.stdout(full());
    let (code, _, err) = output_of(delete).await;
    assert_eq!(code, 1);
    assert!(err.contains(&format!("write {WRITE} was done")), "{err}");

    // The failure is reported on standard error all the same.
    let fake = Fake::start([Reply::written(408, false)]).await;
    let mut delete = command(&fake.url, &[], &["credential", "delete", "a", "--timeout", "1"]);
    delete.stdout(full());
    let (code, _, err) = output_of(delete).await;
    assert_eq!(code, 5);
    assert!(err.contains(&format!("concordat write wait {WRITE}")), "{err}");
}

/// Runs it with the standard output that it has.
async fn output_of(mut command: Command) -> (i32, String, String) {
    let child = command.spawn().unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let ended = ended.await.unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    (ended.status.code().unwrap(), String::new(), err)
}
