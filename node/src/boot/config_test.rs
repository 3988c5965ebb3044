//! The required settings, and that flags override the file.

use super::*;

const WHOLE: &str = r#"
region = "us-iowa"
data_dir = "data"
listen = "127.0.0.1:8080"
peer_listen = "127.0.0.1:9080"
seeds = ["127.0.0.1:9081", "127.0.0.1:9082"]
keyring = "keyring.toml"
"#;

fn settings(text: &str) -> Settings {
    toml::from_str(text).unwrap()
}

#[test]
fn the_least_is_enough_and_each_part_of_it_is_needed() {
    let config = settings(WHOLE).check().unwrap();
    assert_eq!(config.seeds.len(), 2);
    assert_eq!(config.bootstrap, None);
    assert_eq!(config.http, HttpLimits::default());
    assert_eq!(config.storage, StorageSizes::default());
    for line in WHOLE.lines().filter(|line| !line.is_empty() && !line.starts_with("seeds")) {
        let name = line.split(' ').next().unwrap();
        let failure = settings(&WHOLE.replace(line, "")).check().unwrap_err();
        assert_eq!(failure.chain(), format!("{name} is not set"));
    }
}

#[test]
fn the_unknown_and_the_impossible_are_refused() {
    assert!(toml::from_str::<Settings>("regoin = \"us\"").is_err());
    let cases = [
        ("region", "region = \"US\""),
        ("listen", "listen = \"localhost\""),
        ("api_url", "api_url = \"ftp://x\""),
        ("worker_threads", "worker_threads = 1000"),
        ("requests_max", "requests_max = 0"),
        ("header_bytes_max", "header_bytes_max = 10"),
        ("segment_mib", "segment_mib = 1"),
        ("log_retained_mib", "log_retained_mib = 1"),
        ("log_retained_time_s", "log_retained_time_s = 1000000"),
        ("bootstrap", "bootstrap = true"),
        ("regions", "regions = [\"us-iowa\", \"Asia\"]"),
        ("regions", "regions = [\"us-iowa\", \"\"]"),
        ("regions", "regions = [\"us-iowa\", \"asia-japan\", \"us-iowa\"]"),
        ("operator_key_sha256", "bootstrap = true\noperator_key_sha256 = \"zz\""),
    ];
    for (name, text) in cases {
        let failure = settings(text).over(settings(WHOLE)).check().unwrap_err();
        assert!(failure.chain().starts_with(name), "{}", failure.chain());
    }
}

/// Each of these once started a node that no peer could find, or that used another one's address.
#[test]
fn an_address_that_nobody_could_be_found_at_is_refused_by_its_setting() {
    let bad = [
        "",
        " ",
        "node1",
        "node1:",
        ":9080",
        "http://node1:9080",
        "node1:9080/",
        "node1:0",
        "node1:70000",
        "node1:+80",
        "no de:1",
        "::1:9080",
        "[::1]",
        "[node1]:9080",
        "a,b:1",
    ];
    for address in bad {
        for (name, text) in [
            ("peer_address", format!("peer_address = {address:?}")),
            ("seeds", format!("seeds = [\"127.0.0.1:9081\", {address:?}]")),
        ] {
            let failure = settings(&text).over(settings(WHOLE)).check().unwrap_err().chain();
            assert!(failure.starts_with(&format!("{name}: {address:?}")), "{failure}");
        }
    }
    let everywhere = settings("peer_address = \"0.0.0.0:9080\"").over(settings(WHOLE)).check();
    assert!(
        everywhere.unwrap_err().chain().starts_with("peer_address: other nodes cannot connect")
    );
    let many = vec!["a:1"; SEEDS_MAX + 1];
    let failure = settings(&format!("seeds = {many:?}")).over(settings(WHOLE)).check();
    assert!(failure.unwrap_err().chain().starts_with("seeds"));
    for good in ["node1:9080", "us-iowa-1.nodes_a.example:1", "10.0.0.7:65535", "[::1]:9080"] {
        let text = format!("peer_address = {good:?}\nseeds = [{good:?}]");
        let config = settings(&text).over(settings(WHOLE)).check().unwrap();
        assert_eq!(
            (config.peer_address.as_deref(), config.seeds),
            (Some(good), vec![good.to_owned()])
        );
    }
}

#[test]
fn a_bootstrap_names_the_first_regions() {
    let regions = |text: &str| {
        let key = "bootstrap = true\noperator_key_file = \"operator\"\n";
        settings(&format!("{key}{text}")).over(settings(WHOLE)).check()
    };
    let named = |text: &str| {
        let config = regions(text).unwrap();
        config.regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(named(""), "us-iowa", "its own alone");
    assert_eq!(named("regions = [\"asia-japan\", \" us-iowa\"]"), "asia-japan us-iowa");
    let misspelt = regions("regions = [\"asia-japan\", \"us-ioawa\"]").unwrap_err().chain();
    assert!(misspelt.starts_with("regions: the region of this node is missing"), "{misspelt}");
    let of = |count: usize| {
        let names = (1..count).map(|number| format!("r{number}")).chain(["us-iowa".to_owned()]);
        format!("regions = {:?}", names.collect::<Vec<_>>())
    };
    assert_eq!(regions(&of(limits::REGIONS_MAX)).unwrap().regions.len(), limits::REGIONS_MAX);
    assert!(regions(&of(limits::REGIONS_MAX + 1)).unwrap_err().chain().starts_with("regions"));
    // Others need not be named by a node that joins, and one that was added later is not.
    let joins = settings("regions = [\"asia-japan\"]").over(settings(WHOLE)).check();
    assert!(joins.is_ok());
}

#[test]
fn flags_win_over_the_file() {
    let flags = Settings { region: Some("asia-japan".into()), ..Settings::default() };
    let config = flags.over(settings(WHOLE)).check().unwrap();
    assert_eq!(config.region.as_str(), "asia-japan");
    assert_eq!(config.listen.port(), 8080);
}

#[test]
fn a_bootstrap_names_its_operator_key() {
    let hex = "00ff".repeat(16);
    let text = format!("bootstrap = true\noperator_key_sha256 = \"{hex}\"");
    let config = settings(&text).over(settings(WHOLE)).check().unwrap();
    let Some(OperatorKeySource::Hash(hash)) = config.bootstrap else { panic!("a hash") };
    assert_eq!(hash[..2], [0, 0xff]);
    let text = "bootstrap = true\noperator_key_file = \"operator\"";
    let config = settings(text).over(settings(WHOLE)).check().unwrap();
    assert_eq!(config.bootstrap, Some(OperatorKeySource::File("operator".into())));
}

#[test]
fn peers_beyond_this_machine_are_accepted_only_knowingly() {
    assert_eq!(settings(WHOLE).check().unwrap().peer_reach, Reach::Loopback);
    let everywhere = "insecure_peers = true\npeer_listen = \"0.0.0.0:9080\"";
    let failure = settings(everywhere).over(settings(WHOLE)).check().unwrap_err();
    assert!(failure.chain().starts_with("peer_address is not set"), "{}", failure.chain());
    let named = format!("{everywhere}\npeer_address = \"us-iowa-1:9080\"");
    assert!(settings(&named).over(settings(WHOLE)).check().is_ok());
    for (text, reach) in [("true", Reach::Anywhere), ("false", Reach::Loopback)] {
        let set = settings(&format!("insecure_peers = {text}"));
        assert_eq!(set.over(settings(WHOLE)).check().unwrap().peer_reach, reach);
    }
}

#[test]
fn what_is_shown_can_be_read_again() {
    let shown = toml::to_string(&settings(WHOLE)).unwrap();
    assert_eq!(settings(&shown).check().unwrap().listen.port(), 8080);
}

#[test]
fn seconds_have_the_grammar_of_all_durations() {
    let drain =
        |text: &str| toml::from_str::<Settings>(&format!("shutdown_grace_period_s = {text}"));
    for text in ["120", "\"120\"", "\"120s\"", "\"2m\""] {
        assert_eq!(drain(text).unwrap().shutdown_grace_period_s, Some(120), "{text}");
    }
    for text in ["\"1500ms\"", "\"soon\"", "\"\"", "-1", "true"] {
        assert!(drain(text).is_err(), "{text}");
    }
    let reason = drain("\"soon\"").unwrap_err().to_string();
    assert!(reason.contains("60s, 2m"), "{reason}");
}
