//! A standard error without a reader stops no node.

use std::{
    fs::{self, OpenOptions},
    net::{Ipv4Addr, TcpListener},
    process::Command,
};

use concordat_tests::{
    http::Request,
    process::{self, Process, Start},
    wait::{self, LIMIT},
};

/// Questions, each with lines in the log: together far more than a pipe holds.
const QUESTIONS: usize = 500;
/// Lines of the node's own activity, which fill the pipe at any rate.
const LOG_LEVEL: &str = "trace";

#[tokio::test]
async fn a_log_that_nobody_reads_stops_no_node() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let keyring = at("keyring.toml");
    let made = process::run("concordatd", &["keyring", "new", &keyring], &[], LIMIT).await;
    assert!(made.status.success(), "{made:?}");
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let lines = [
        "region = \"us-iowa\"".to_owned(),
        format!("data_dir = {:?}", at("data")),
        format!("listen = \"{free}\""),
        "peer_listen = \"127.0.0.1:0\"".to_owned(),
        format!("keyring = {keyring:?}"),
        format!("log_level = {LOG_LEVEL:?}"),
        "bootstrap = true".to_owned(),
        format!("operator_key_file = {:?}", at("operator.key")),
    ];
    fs::write(at("node.toml"), lines.join("\n")).unwrap();
    let pipe = at("stderr");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // A reader has it open, and does not read.
    let _reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let mut node = Process::start(&Start {
        name: "concordatd",
        arguments: vec!["start".into(), "--config".into(), at("node.toml").into()],
        environment: Vec::new(),
        stdout: at("stdout").into(),
        stderr: pipe.into(),
        scratch: Some(directory.path().to_owned()),
    });
    let url = format!("http://{free}");
    for question in 0..QUESTIONS {
        wait::eventually("the node answers", async || {
            let asked = Request::new("GET", "/v1/cluster").try_send(&url).await;
            let answer = asked.map_err(|error| error.to_string())?;
            if answer.status == 401 { Ok(()) } else { Err(format!("{question}: {answer:?}")) }
        })
        .await;
    }
    wait::eventually("lines are lost, and counted", async || {
        let asked = Request::new("GET", "/metrics").try_send(&url).await;
        let page = asked.map_err(|error| error.to_string())?.text();
        let written = page.lines().find(|line| line.starts_with("concordat_log_lines_lost_total"));
        written.map(|_| ()).ok_or(page)
    })
    .await;
    node.terminate();
    node.wait(LIMIT).await;
}
