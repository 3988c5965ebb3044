//! A region that is cut off for good but lives, with `partition_policy=fence`: it stops by itself,
//! and is failed over without an operator's confirmation; its answers meanwhile and afterwards are
//! never both old and fresh.

use concordat_tests::{links::Way, process_cluster::ClusterOptions, wait::within};
use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep},
};

use crate::{
    fleet::{self, Fleet, HOME, LIMIT, NODES, Seen},
    membership::{concordat, done},
    watch::Watch,
};

const LOST: &str = "us-iowa";
const TO: &str = "europe-belgium";
const OTHERS: std::ops::Range<usize> = 3..NODES;
const CREDENTIAL: &str = "own";
/// Writes in the cut region have smaller labels.
const AFTER: u64 = 100;
/// Between two rounds of attempts in the region that is cut off.
const ROUND_PAUSE: Duration = Duration::from_millis(100);

/// Sets the label; returns the answer.
async fn write(
    fleet: &Fleet,
    node: usize,
    label: u64,
    required: &str,
    seconds: &str,
) -> Result<Seen, String> {
    let body = format!(r#"{{"label":"{label}"}}"#);
    let headers = [
        ("slashid-required-consistency", required),
        ("slashid-required-consistency-timeout", seconds),
    ];
    fleet.ask(node, &fleet.on_credential("PATCH", CREDENTIAL, &headers, Some(&body))).await
}

/// Sets the label through one node after the other until that is answered 200; when it was.
async fn written(fleet: &Fleet, label: u64, required: &str) -> Instant {
    let mut nodes = OTHERS.cycle();
    within("a write reaches what it requires", LIMIT, async || {
        let seen = write(fleet, nodes.next().expect("for ever"), label, required, "2").await?;
        if seen.status == 200 { Ok(Instant::now()) } else { Err(format!("{seen:?}")) }
    })
    .await
}

/// Has leaders fence themselves, and waits until the region's group has noted it.
async fn fence(fleet: &Fleet) {
    done(fleet, &[4], &["cluster", "set", "partition_policy=fence"]).await;
    within("the home group notes it", LIMIT, async || {
        let noted = HOME.map(|node| fleet.cluster.log(node));
        let is_noted = |log: &String| {
            log.lines().any(|line| line.contains("NotePartitionPolicy") && line.contains("Fence"))
        };
        if noted.into_iter().any(|log| is_noted(&log)) { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
}

/// The results of writes through the nodes that are cut off.
#[derive(Debug, Default)]
struct Alone {
    taken: usize,
    refused: usize,
    /// When the last one was answered 200.
    last_taken: Option<Instant>,
    /// When all nodes had refused in one round for the first time since.
    stopped: Option<Instant>,
}

/// Writes in the region that is cut off until the others have failed it over, and once more.
async fn write_alone(fleet: &Fleet, is_over: watch::Receiver<bool>) -> Alone {
    let mut alone = Alone::default();
    let mut is_last = false;
    for label in 2.. {
        let one = async |node: usize| {
            let seen = write(fleet, node, label.min(AFTER - 1), "local_region", "1").await;
            let seen = seen.expect("an answer");
            assert!(matches!(seen.status, 200 | 408 | 503), "node {node}, cut off: {seen:?}");
            (seen.status == 200).then(Instant::now)
        };
        let (a, b, c) = tokio::join!(one(0), one(1), one(2));
        let taken: Vec<Instant> = [a, b, c].into_iter().flatten().collect();
        alone.taken += taken.len();
        alone.refused += HOME.len() - taken.len();
        match taken.into_iter().max() {
            Some(last) => (alone.last_taken, alone.stopped) = (Some(last), None),
            None => _ = alone.stopped.get_or_insert_with(Instant::now),
        }
        if is_last {
            break;
        }
        is_last = *is_over.borrow();
        sleep(ROUND_PAUSE).await;
    }
    alone
}

/// Fails the region over as soon as that is not refused, and writes there; when that was answered.
async fn go_on_without(fleet: &Fleet, watch: &Watch, is_over: watch::Sender<bool>) -> Instant {
    within("the region is failed over", LIMIT, async || {
        let output = concordat(fleet, &[3, 6], &["region", "failover", LOST, "--to", TO]).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !told.contains("(confirm_fenced)"),
            "nobody has to stop what stops by itself: {told}"
        );
        if output.status.success() { Ok(()) } else { Err(told) }
    })
    .await;
    let went_on = written(fleet, AFTER, "local_region").await;
    watch.expect(AFTER);
    is_over.send_replace(true);
    went_on
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_fences_itself_is_failed_over_on_nobodys_word() {
    let _turn = fleet::turn().await;
    let mut fleet =
        Fleet::start_with(ClusterOptions { has_links: true, ..ClusterOptions::default() }).await;
    let all = [("slashid-required-consistency", "all_regions")];
    let body = r#"{"client_id":"own","client_secret":"a secret","provider":"google","label":"0"}"#;
    let made = fleet.ask(0, &fleet.on_credential("POST", "", &all, Some(body))).await;
    assert_eq!(made.expect("an answer").status, 201);
    fence(&fleet).await;
    // A replica that has this has the note that is before it.
    written(&fleet, 1, "all_regions").await;
    let every: Vec<usize> = (0..NODES).collect();
    fleet.reads(&[(CREDENTIAL.to_owned(), 1)], &every, true).await;
    let watch = Watch::start(&fleet, HOME, CREDENTIAL);
    watch.expect(1);
    watch.sees(HOME, 1).await;

    let [home, others] = [HOME, OTHERS].map(Vec::from_iter);
    fleet.cluster.links().set(&home, &others, Way::CUT);
    fleet.cluster.links().set(&others, &home, Way::CUT);
    let cut = Instant::now();
    let (over, is_over) = watch::channel(false);
    let others_go_on = go_on_without(&fleet, &watch, over);
    let (alone, went_on) = tokio::join!(write_alone(&fleet, is_over), others_go_on);
    println!("fenced: {} writes taken, {} not", alone.taken, alone.refused);
    let last_taken = alone.last_taken.expect("it writes as long as nobody can take its place");
    let stopped = alone.stopped.expect("it stops by itself");
    let [last, silent, after] = [last_taken, stopped, went_on].map(|when| when - cut);
    println!("fenced: after the cut: last write {last:?}, silent {silent:?}, successor {after:?}");
    assert!(last_taken < went_on, "it took writes beside its successor");

    fleet.cluster.links().heal();
    watch.sees(HOME, AFTER).await;
    written(&fleet, AFTER + 1, "all_regions").await;
    watch.expect(AFTER + 1);
    watch.sees(HOME, AFTER + 1).await;
    println!("fenced: {}", watch.end());
    fleet.cluster.ready().await;
    fleet.reads(&[(CREDENTIAL.to_owned(), AFTER + 1)], &every, true).await;
    fleet.agree().await;
}
