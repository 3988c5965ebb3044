//! `concordatd start` with invalid settings: it reports the problem, and ends. And with a setting
//! that must be enabled explicitly.

use std::{fs, path::Path};

use concordat_tests::{
    process::{self, Process, Start},
    wait::{self, LIMIT},
};

/// A complete file, but for the line given in place of another of the same key.
fn config(directory: &Path, other: &str) -> String {
    let at = |name: &str| directory.join(name).display().to_string();
    let lines = [
        "region = \"us-iowa\"".to_owned(),
        format!("data_dir = {:?}", at("data")),
        "listen = \"127.0.0.1:0\"".to_owned(),
        "peer_listen = \"127.0.0.1:0\"".to_owned(),
        "seeds = [\"127.0.0.1:9\"]".to_owned(),
        format!("keyring = {:?}", at("keyring.toml")),
    ];
    let key = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
    let kept = lines.into_iter().filter(|line| key(line) != key(other));
    kept.chain([other.to_owned()]).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn wrong_settings_are_refused_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let keyring = directory.path().join("keyring.toml");
    let keyring_path = keyring.to_str().expect("a path of text");
    let made = process::run("concordatd", &["keyring", "new", keyring_path], &[], LIMIT).await;
    assert!(made.status.success(), "{made:?}");
    let again = process::run("concordatd", &["keyring", "new", keyring_path], &[], LIMIT).await;
    assert!(!again.status.success(), "a keyring was overwritten");
    let before = process::text(&keyring);
    let keep = ["keyring", "new", keyring_path, "--if-missing"];
    let kept = process::run("concordatd", &keep, &[], LIMIT).await;
    assert!(kept.status.success() && process::text(&keyring) == before, "{kept:?}");
    let no_keyring = format!("keyring = {:?}", directory.path().join("none").display().to_string());
    for (wrong, named) in [
        ("peer_listen = \"0.0.0.0:0\"", "loopback"),
        ("peer_listen = \"192.0.2.1:7000\"", "loopback"),
        (no_keyring.as_str(), "keyring"),
        ("region = \"US Iowa\"", "region"),
        ("listen = \"nowhere\"", "listen"),
        ("log_level = \"=loud=\"", "log"),
        ("bootstrap = true", "operator_key"),
        ("regions = [\"us-iowa\", \"us-iowa\"]", "regions: us-iowa is named twice"),
        ("segment_mib = 0", "segment_mib"),
        ("seeds = []", "seeds"),
        ("seeds = [\"node1\"]", "seeds: \"node1\" has no port"),
        ("seeds = [\"http://node1:9080\"]", "seeds: \"http://node1:9080\" is a URL"),
        ("peer_address = \"\"", "peer_address: \"\" has no port"),
        ("unknown = 1", "unknown"),
    ] {
        let file = directory.path().join("node.toml");
        fs::write(&file, config(directory.path(), wrong)).unwrap();
        let path = file.to_str().expect("a path of text");
        // The check refuses what a start refuses, with the same text.
        for command in [&["config", "check"][..], &["start"][..]] {
            let arguments = [command, &["--config", path]].concat();
            let ended = process::run("concordatd", &arguments, &[], LIMIT).await;
            let reason = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(!ended.status.success(), "{wrong} was taken by {command:?}: {reason}");
            assert!(reason.contains(named), "{wrong}: {named:?} is not in {reason:?}");
        }
    }
}

#[tokio::test]
async fn peers_beyond_this_machine_are_accepted_knowingly() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let keyring = at("keyring.toml");
    let made = process::run("concordatd", &["keyring", "new", &keyring], &[], LIMIT).await;
    assert!(made.status.success(), "{made:?}");
    let more = [
        "insecure_peers = true".to_owned(),
        "peer_address = \"localhost:9\"".to_owned(),
        "bootstrap = true".to_owned(),
        format!("operator_key_file = {:?}", at("operator.key")),
    ];
    let text = config(directory.path(), "peer_listen = \"0.0.0.0:0\"");
    // Without other seeds it begins a cluster at once.
    let text = text.replace("seeds = [\"127.0.0.1:9\"]", "seeds = []");
    fs::write(at("node.toml"), format!("{text}\n{}\n", more.join("\n"))).unwrap();
    let log = directory.path().join("log");
    let _node = Process::start(&Start {
        name: "concordatd",
        arguments: vec!["start".into(), "--config".into(), at("node.toml").into()],
        environment: Vec::new(),
        stdout: log.clone(),
        stderr: log.clone(),
        scratch: Some(directory.path().to_owned()),
    });
    let api = wait::eventually("the node has started", async || {
        let text = process::text(&log);
        let started = text.lines().find(|line| line.contains("started")).ok_or(text.clone())?;
        let (_, api) = started.split_once("api=").ok_or(text.clone())?;
        Ok(api.split_whitespace().next().unwrap_or_default().to_owned())
    })
    .await;
    assert!(process::text(&log).contains("WARN"), "no warning: {}", process::text(&log));
    let alive = process::run("concordatd", &["health", "--listen", &api], &[], LIMIT).await;
    assert!(alive.status.success() && alive.stdout == b"ok\n", "{alive:?}");
    wait::eventually("it says that it is ready", async || {
        let asked = ["health", "--ready", "--listen", &api];
        let ready = process::run("concordatd", &asked, &[], LIMIT).await;
        if ready.status.success() { Ok(()) } else { Err(format!("{ready:?}")) }
    })
    .await;
    let nobody = process::run("concordatd", &["health", "--listen", "127.0.0.1:9"], &[], LIMIT);
    assert!(!nobody.await.status.success());
}
