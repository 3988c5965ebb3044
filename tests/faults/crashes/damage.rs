//! A file of a data directory with a flipped bit or a lost end: the node refuses to start with a
//! reason, or it starts and is right. Never a wrong answer, never a lost write.

use std::{
    collections::BTreeSet,
    fmt, fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use concordat_tests::{
    demo::REGIONS,
    process_cluster::ClusterOptions,
    rng::{self, Rng},
    wait::within,
};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::fleet::{self, Fleet, LIMIT};

/// Files are spoilt at multiples of this.
const STEP: usize = 512;

/// All files of a directory and those below it, in order of their names.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The damage to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// This bit of the byte there is the other way round.
    Flipped(u8),
    /// The file ends there.
    Truncated,
}

/// A place and its damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoilt {
    file: PathBuf,
    offset: u64,
    how: How,
}

impl fmt::Display for Spoilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let how = match self.how {
            How::Flipped(bit) => format!("bit {bit} flipped"),
            How::Truncated => "truncated".to_owned(),
        };
        write!(f, "{name} {how} at {}", self.offset)
    }
}

impl Spoilt {
    /// A place with something in it, of any file that matters.
    pub(crate) fn choose(files: &[PathBuf], rng: &mut Rng) -> Self {
        // Files that the store writes for people, or never needs again, are damaged at their
        // beginning only.
        let matters = |file: &&PathBuf| !["LOG", "OPTIONS-", "IDENTITY"].contains(&&*sort(file));
        let filled: Vec<(&PathBuf, Vec<u64>)> = files
            .iter()
            .filter(matters)
            .map(|file| (file, places(&fs::read(file).expect("a file"))))
            .filter(|(_, places)| !places.is_empty())
            .collect();
        let (file, places) = &filled[rng.place(filled.len())];
        let offset = places[rng.place(places.len())];
        let file = (*file).clone();
        if rng.below(2) == 0 {
            return Self { file, offset, how: How::Truncated };
        }
        // Any bit from there up to the next place.
        let length = fs::metadata(&file).expect("a file").len();
        let offset = offset + rng.below((length - offset).min(STEP as u64));
        let bit = u8::try_from(rng.below(8)).expect("it is below 8");
        Self { file, offset, how: How::Flipped(bit) }
    }

    /// Does it.
    ///
    /// # Panics
    /// When the file cannot be written to.
    pub(crate) fn apply(&self) {
        let file = fs::File::options().read(true).write(true).open(&self.file).expect("a file");
        match self.how {
            How::Truncated => file.set_len(self.offset).expect("it can be truncated"),
            How::Flipped(bit) => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, self.offset).expect("a byte is there");
                byte[0] ^= 1 << bit;
                file.write_all_at(&byte, self.offset).expect("it can be written");
            }
        }
    }
}

/// The places of a file behind which, up to the next one, is anything but zeros.
fn places(bytes: &[u8]) -> Vec<u64> {
    let steps = (0_u64..).step_by(STEP).zip(bytes.chunks(STEP));
    steps.filter(|(_, chunk)| chunk.iter().any(|byte| *byte != 0)).map(|(at, _)| at).collect()
}

/// The exit codes with which a node refuses a broken disk, or a directory that is not its own.
pub(crate) const REFUSALS: [i32; 2] = [1, 2];
/// The node whose files are damaged: never the first, which would bootstrap another cluster when it
/// has lost everything.
const SPOILT: usize = 2;
/// The beginnings of messages of a node that refused before it opened any replica.
const EARLY: [&str; 2] = ["concordatd: opening ", "concordatd: the identity "];
/// So low that there is little of everything, and the log of most of it is gone.
const RETENTION: (u64, u64) = (20, 5);
const CREDENTIALS: u64 = 60;
/// For the places of chance; every file's beginning comes before.
const TIME: Duration = Duration::from_secs(45);
const SETTLE_LIMIT: Duration = Duration::from_secs(45);

/// A cluster of one region, and the known state of its credentials.
struct Patient {
    fleet: Fleet,
    labels: Vec<(String, u64)>,
    refused: u64,
    right: u64,
}

impl Patient {
    async fn start() -> Self {
        let fleet = Fleet::start_with(ClusterOptions {
            regions: vec![REGIONS[0]],
            retention: Some(RETENTION),
            ..ClusterOptions::default()
        })
        .await;
        let mut patient = Self { fleet, labels: Vec::new(), refused: 0, right: 0 };
        for number in 0..CREDENTIALS {
            let name = format!("credential-{number}");
            let body = format!(
                r#"{{"client_id":"{name}","client_secret":"s","provider":"google","label":"0"}}"#
            );
            patient.write("POST", "", &body).await;
            patient.labels.push((name, 0));
        }
        patient
    }

    async fn write(&self, method: &str, client_id: &str, body: &str) {
        let key = Uuid::new_v4().to_string();
        let bytes =
            self.fleet.on_credential(method, client_id, &[("idempotency-key", &key)], Some(body));
        within("a write succeeds", LIMIT, async || match self.fleet.ask(0, &bytes).await? {
            seen if seen.status < 300 => Ok(()),
            seen => Err(format!("{seen:?}")),
        })
        .await;
    }

    /// Some more writes, so that the node has something to catch up on.
    async fn move_on(&mut self, rng: &mut Rng) {
        for _ in 0..4 {
            let place = rng.place(self.labels.len());
            self.labels[place].1 += 1;
            let (name, label) = self.labels[place].clone();
            self.write("PATCH", &name, &format!(r#"{{"label":"{label}"}}"#)).await;
        }
    }

    /// Spoils a place of the node's files, which are as they were when it was killed.
    async fn suffer(&mut self, spoilt: &Spoilt, whole: &Path, rng: &mut Rng) {
        let data = self.fleet.cluster.data_dir(SPOILT);
        let before = self.fleet.cluster.node_id(SPOILT).expect("it has run");
        println!("damage: {spoilt}");
        spoilt.apply();
        self.move_on(rng).await;
        self.fleet.cluster.restart(SPOILT).await;
        let mut ended = self.fleet.cluster.settles(SPOILT, SETTLE_LIMIT).await;
        if ended.is_none() {
            // It has all that the others have, or it finds out that it has not.
            ended = self.agrees().await;
        }
        let Some(status) = ended else {
            self.right += 1;
            println!("damage: {spoilt}: it started, and is right");
            return;
        };
        self.refused += 1;
        println!("damage: {spoilt}: it refused");
        let said = self.fleet.judge_end(SPOILT, status, &REFUSALS);
        self.fleet.cluster.wipe(SPOILT);
        // One that never took part may return as it was; another one would have forgotten what it
        // acknowledged, and is replaced by a new node.
        if EARLY.iter().any(|early| said.starts_with(early)) {
            copy(whole, &data);
        }
        self.fleet.cluster.restart(SPOILT).await;
        self.fleet.cluster.ready().await;
        if self.fleet.cluster.node_id(SPOILT).as_ref() != Some(&before) {
            self.fleet.remove(0, &before).await;
        }
    }

    /// Waits until the node has every acknowledged write and the same digests as the others, or has
    /// ended. The digests are of all its records, read from its disk.
    async fn agrees(&mut self) -> Option<ExitStatus> {
        within("the node is as the others", SETTLE_LIMIT, async || {
            if let Some(status) = self.fleet.cluster.ended(SPOILT) {
                return Ok(Some(status));
            }
            for (name, label) in &self.labels {
                let bytes = self.fleet.on_credential("GET", name, &[], None);
                let seen = self.fleet.ask(SPOILT, &bytes).await?;
                let is_right = seen.body["result"]["label"] == *label.to_string();
                if seen.is_unmarked {
                    assert!(is_right, "a wrong answer: {name} is {label}: {seen:?}");
                } else if !is_right {
                    let log = self.fleet.cluster.log(SPOILT);
                    let last: Vec<&str> = log.lines().rev().take(5).collect();
                    return Err(format!("{name} is not {label}: {seen:?}; {last:#?}"));
                }
            }
            let [theirs, own] = [self.digests(0).await?, self.digests(SPOILT).await?];
            for (group, index, digest) in &own {
                let same = theirs.iter().find(|it| (it.0, it.1) == (*group, *index));
                let (_, _, expected) = same.ok_or_else(|| format!("{own:?} beside {theirs:?}"))?;
                assert_eq!(expected, digest, "group {group} at {index}");
            }
            Ok(None)
        })
        .await
    }

    async fn digests(&self, node: usize) -> Result<Vec<(u64, u64, String)>, String> {
        let digests = self.fleet.inspect(node, "/v1/cluster/digest").await?;
        let groups = digests["groups"].as_array().ok_or("no groups")?.iter();
        let line = |of: &Value| {
            let number = |name: &str| of[name].as_u64().ok_or_else(|| of.to_string());
            Ok((number("group")?, number("applied")?, of["digest"].to_string()))
        };
        groups.map(line).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a copy");
        }
    }
}

/// The kind of a file, without its number.
fn sort(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.chars().filter(|character| !character.is_ascii_digit()).collect()
}

/// The beginning of every sort of file, to be spoilt in both ways.
fn beginnings(files: &[PathBuf]) -> Vec<(String, How)> {
    let has_something = |file: &&PathBuf| fs::metadata(file).is_ok_and(|it| it.len() > 0);
    let sorts: BTreeSet<String> = files.iter().filter(has_something).map(|it| sort(it)).collect();
    sorts
        .into_iter()
        .flat_map(|sort| [How::Truncated, How::Flipped(0)].map(|how| (sort.clone(), how)))
        .collect()
}

/// The next place: first the beginning of each sort of file, of its newest one, then of chance.
fn next(todo: &mut Vec<(String, How)>, files: &[PathBuf], rng: &mut Rng) -> Spoilt {
    while let Some((wanted, how)) = todo.pop() {
        if let Some(file) = files.iter().rfind(|file| sort(file) == wanted) {
            return Spoilt { file: file.clone(), offset: 0, how };
        }
    }
    Spoilt::choose(files, rng)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_node_refuses_or_is_right() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("damage: CONCORDAT_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut patient = Patient::start().await;
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let data = patient.fleet.cluster.data_dir(SPOILT);
    let mut todo = beginnings(&files(&data));
    // First that of the state's write-ahead log, which holds the whole state as yet.
    todo.sort_by_key(|(sort, how)| (sort == ".log", *how == How::Truncated));
    let began = Instant::now();
    for number in 0.. {
        patient.fleet.cluster.kill(SPOILT).await;
        let whole = scratch.path().join(number.to_string());
        copy(&data, &whole);
        if todo.is_empty() && began.elapsed() >= TIME {
            break;
        }
        let spoilt = next(&mut todo, &files(&data), &mut rng);
        patient.suffer(&spoilt, &whole, &mut rng).await;
        patient.fleet.cluster.restart(SPOILT).await;
        fs::remove_dir_all(&whole).expect("it can be removed");
    }
    let Patient { refused, right, .. } = patient;
    println!("damage: {refused} refused, {right} started and were right, in {:?}", began.elapsed());
    assert!(refused > 0 && right > 0, "too few to prove anything");
}
