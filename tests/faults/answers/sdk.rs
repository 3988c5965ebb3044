//! The SDK never reads backwards: a client that writes in one region and reads in another right
//! away, over a slow link, sees its own write or waits for it; so does one that has only read. A
//! control client without monotonic reads does fall behind: so the test can fail.
//!
//! A client moves as it would behind a name or a balancer that changes its target: its one endpoint
//! is a proxy of ours, which breaks all connections when it switches to another node.

use std::time::Duration;

use concordat_client::{Client, ClientBuilder, Provider, RequiredConsistency, Secret};
use concordat_tests::{links::Way, process_cluster::ClusterOptions};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::fleet::{self, FAR, Fleet, HOME};

/// The delay from the home region to the furthest one: less than a lease.
const LAG: Duration = Duration::from_millis(400);
const ROUNDS: u64 = 12;
const CREDENTIAL: &str = "own";

/// The way to one node at a time.
struct Door {
    url: String,
    leads_to: watch::Sender<String>,
    _passages: JoinSet<()>,
}

impl Door {
    async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own = listener.local_addr().expect("an address");
        let leads_to = watch::Sender::new(url.to_owned());
        let targets = leads_to.clone();
        let mut passages = JoinSet::new();
        passages.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let Ok((near, _)) = listener.accept().await else { continue };
                open.spawn(pass(near, targets.subscribe()));
                while open.try_join_next().is_some() {}
            }
        });
        Self { url: format!("http://{own}"), leads_to, _passages: passages }
    }

    fn leads_to(&self, url: &str) {
        self.leads_to.send_replace(url.to_owned());
    }
}

/// Passes everything on, until the door leads elsewhere.
async fn pass(mut near: TcpStream, mut target: watch::Receiver<String>) {
    let url = target.borrow_and_update().clone();
    let address = url.strip_prefix("http://").unwrap_or(&url);
    let Ok(mut far) = TcpStream::connect(address).await else { return };
    tokio::select! {
        // Both ends notice its end by themselves.
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = target.changed() => {}
    }
}

fn builder(fleet: &Fleet, url: &str) -> ClientBuilder {
    let org = fleet.org.id.parse().expect("an id");
    let key = Secret::new(fleet.org.api_key.clone());
    Client::builder().endpoint(url).org(org, key).default_timeout(Duration::from_secs(20))
}

/// The label that a client reads.
async fn label(client: &Client) -> u64 {
    let read = client.oidc().get(CREDENTIAL).await.expect("an answer");
    read.value.label.and_then(|label| label.parse().ok()).expect("a number")
}

async fn patch(client: &Client, label: u64) {
    let write = client.oidc().patch(CREDENTIAL).label(label.to_string());
    write.consistency(RequiredConsistency::LocalRegion).send().await.expect("it is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_moves_between_regions_never_reads_backwards() {
    let _turn = fleet::turn().await;
    let fleet =
        Fleet::start_with(ClusterOptions { has_links: true, ..ClusterOptions::default() }).await;
    let url = |node: usize| fleet.cluster.url(node);
    let door = Door::to(url(0)).await;
    let writer = builder(&fleet, &door.url).build().expect("a client");
    let reader = builder(&fleet, &door.url).build().expect("a client");
    let hasty = builder(&fleet, &door.url).monotonic_reads(false).build().expect("a client");
    let create = writer.oidc().create(CREDENTIAL, Secret::new("a secret".into()), Provider::Google);
    let all = RequiredConsistency::AllRegions;
    create.label("0").consistency(all).send().await.expect("it is made");

    let [home, far] = [HOME, FAR].map(Vec::from_iter);
    fleet.cluster.links().set(&home, &far, Way::slow(LAG));
    let (mut behind, mut read_newest) = (0, 0);
    for round in 1..=ROUNDS {
        let place = usize::try_from(round).expect("a small number") % 3;
        let [here, there] = [home[place], far[place]];
        // Written at home; in every second round it is written from afar, and read at home.
        let (from, to) = if round % 2 == 1 { (here, there) } else { (there, here) };
        door.leads_to(url(from));
        patch(&writer, round).await;
        let mut seen = label(&reader).await;
        door.leads_to(url(to));
        behind += u64::from(label(&hasty).await < round);
        assert_eq!(label(&writer).await, round, "node {to}, after a write through {from}");
        // Nor does it go back to what another node of the region has.
        for node in [to, if to == there { far[(place + 1) % 3] } else { home[(place + 1) % 3] }] {
            door.leads_to(url(node));
            let next = label(&reader).await;
            assert!(next >= seen, "node {node} said {next}, after {seen}; written through {from}");
            seen = next;
        }
        read_newest += u64::from(seen == round);
    }
    println!("sdk: of {ROUNDS} rounds: behind without waiting {behind}, read back {read_newest}");
    assert!(behind > 0 && read_newest > 0, "there is no lag, or nobody sees anything");
}
