//! A node that has never been current since its start never answers that something does not exist:
//! a 401 for a valid key, or a 404, makes a client drop its login. It returns what it has, marked
//! as stale.

use concordat_tests::{
    connection::{Connection, request},
    wait::within,
    workload::CREDENTIALS,
};

use crate::fleet::{self, Fleet, LIMIT, NODES};

/// So small that a wiped node needs a snapshot.
const RETENTION: (u64, u64) = (20, 5);
const WRITES: usize = 60;

/// One answer: status, freshness, and whether it has a Retry-After.
#[derive(Debug)]
struct Said {
    status: u16,
    mark: String,
    retries: bool,
    text: String,
}

async fn say(fleet: &Fleet, node: usize, bytes: &[u8]) -> Option<Said> {
    let mut connection = Connection::open(fleet.cluster.url(node)).await.ok()?;
    let answer = connection.exchange(bytes).await.ok()?;
    Some(Said {
        status: answer.status,
        mark: answer.header("concordat-read").unwrap_or_default().to_owned(),
        retries: answer.header("retry-after").is_some(),
        text: String::from_utf8_lossy(answer.body).into_owned(),
    })
}

async fn create(fleet: &Fleet, client_id: &str) {
    let body =
        format!(r#"{{"client_id":"{client_id}","client_secret":"a secret","provider":"google"}}"#);
    let more = [
        ("slashid-required-consistency", "all_regions"),
        ("slashid-required-consistency-timeout", "20"),
    ];
    let bytes = fleet.on_credential("POST", "", &more, Some(&body));
    let made = fleet.ask(0, &bytes).await.expect("an answer");
    assert_eq!(made.status, 201, "{made:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_never_current_says_no_to_nobody() {
    let _turn = fleet::turn().await;
    let mut fleet = Fleet::start(Some(RETENTION)).await;
    for number in 0..WRITES {
        create(&fleet, &format!("web-{number}")).await;
    }

    // A wiped node, from the first moment on: its key is right all the while.
    let wiped = NODES - 1;
    fleet.cluster.kill(wiped).await;
    fleet.cluster.wipe(wiped);
    fleet.cluster.restart(wiped).await;
    let read = fleet.on_credential("GET", "web-7", &[], None);
    let mut met = Vec::new();
    within("the wiped node is current", LIMIT * 2, async || {
        let Some(said) = say(&fleet, wiped, &read).await else { return Err("nobody".to_owned()) };
        assert!(matches!(said.status, 200 | 503), "node {wiped} says {said:?}");
        assert!(said.status == 200 || said.retries, "{said:?}");
        assert!(!said.mark.contains("1970"), "{said:?}");
        if met.last() != Some(&said.status) {
            met.push(said.status);
        }
        if said.mark == "current" { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
    println!("refusals: the wiped node said {met:?}");
    fleet.cluster.ready().await;

    // A node that returns alone with its state: logins continue.
    fleet.cluster.kill_all().await;
    fleet.cluster.restart(wiped).await;
    let found = within("it answers", LIMIT, async || {
        let said = say(&fleet, wiped, &read).await;
        said.filter(|said| said.status == 200).ok_or_else(|| "not yet".to_owned())
    })
    .await;
    assert!(found.mark.starts_with("stale; as-of=2"), "{found:?}");
    let list = fleet.on_credential("GET", "", &[], None);
    let listed = say(&fleet, wiped, &list).await.expect("an answer");
    assert_eq!(listed.status, 200, "{listed:?}");
    refuses_to_say_no(&fleet, wiped).await;

    // With the others it can answer again that something does not exist.
    fleet.cluster.restart_all().await;
    fleet.cluster.ready().await;
    let unknown = fleet.on_credential("GET", "unknown", &[], None);
    within("it says no again", LIMIT, async || {
        let said = say(&fleet, wiped, &unknown).await.ok_or("nobody")?;
        if said.status == 404 { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
}

/// Objects that the node does not find may exist all the same: it refuses none of these requests.
async fn refuses_to_say_no(fleet: &Fleet, wiped: usize) {
    let (org, key) = (fleet.org.id.as_str(), fleet.org.api_key.as_str());
    let wrong = [("slashid-orgid", org), ("slashid-api-key", "ck_wrong")];
    let right = [("slashid-orgid", org), ("slashid-api-key", key)];
    let none_of_it = format!("{CREDENTIALS}?oauth_provider=github");
    for (what, bytes) in [
        ("a key that does not live", request("GET", CREDENTIALS, &wrong, None)),
        ("a credential that is not here", fleet.on_credential("GET", "unknown", &[], None)),
        ("a list of nothing", request("GET", &none_of_it, &right, None)),
        (
            "an operator's key that does not live",
            request("GET", "/v1/cluster", &[("slashid-api-key", "op_wrong")], None),
        ),
        (
            "a write that is not here",
            request("GET", "/v1/writes/0193a1b2-0000-7000-8000-000000000001", &right, None),
        ),
    ] {
        let said = say(fleet, wiped, &bytes).await.expect("an answer");
        assert_eq!(said.status, 503, "{what}: {said:?}");
        assert!(said.retries && said.text.contains("another node"), "{what}: {said:?}");
    }
}
