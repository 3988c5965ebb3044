//! The bytes in `golden/`: those of every version decode to the samples for good, and those of the
//! newest version are the ones that are written. `UPDATE_EXPECT=1` rewrites the newest version's
//! files.
//!
//! A file is named after the type and the version byte; each line is a sample's name and its bytes.

use std::{collections::BTreeMap, fmt, fmt::Write, fs, path::PathBuf};

use super::{
    Wire, WireError,
    samples::{self, Samples, failover, key, peer, policy, registration, resource},
    snapshot::Chunk,
};
use crate::version;

fn path(name: &str, version: u8) -> PathBuf {
    let file = format!("{name}.v{version}.hex");
    [env!("CARGO_MANIFEST_DIR"), "src", "wire", "golden", &file].iter().collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two hex digits");
    (0..text.len()).step_by(2).map(digits).collect()
}

/// The differences between a type's files and these ways to write and read.
fn compare<T: PartialEq + fmt::Debug>(
    name: &str,
    newest: u8,
    samples: &Samples<T>,
    encode: impl Fn(&T) -> Vec<u8>,
    decode: impl Fn(&[u8]) -> Result<T, WireError>,
) {
    let written: String =
        samples.iter().map(|(case, value)| format!("{case} {}\n", hex(&encode(value)))).collect();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path(name, newest), &written).expect("a golden file");
    }
    let known: BTreeMap<_, _> = samples.iter().map(|(case, value)| (*case, value)).collect();
    assert_eq!(known.len(), samples.len(), "{name}: two samples of one name");
    for version in 1..=newest {
        let golden = fs::read_to_string(path(name, version)).expect("a golden file");
        for line in golden.lines() {
            let (case, bytes) = line.split_once(' ').expect("a name and bytes");
            let value = decode(&unhex(bytes)).expect("golden bytes");
            assert_eq!(Some(&&value), known.get(case), "{name} v{version} {case}");
        }
        if version == newest {
            assert_eq!(golden, written, "{name}: the bytes changed without a new version");
        }
    }
}

fn check<T: Wire + PartialEq + fmt::Debug>(name: &str, newest: u8, samples: &Samples<T>) {
    compare(name, newest, samples, T::encode, T::decode);
}

#[test]
fn every_version_is_read_and_the_newest_written() {
    check("proposal", version::COMMAND, &samples::proposals());
    check("applied", version::RECORD, &samples::applied());
    check("org", version::RECORD, &samples::orgs());
    check("api_key", version::RECORD, &samples::api_keys());
    check("oidc_credential", version::RECORD, &samples::credentials());
    check("write_record", version::RECORD, &samples::write_records());
    check("key_record", version::RECORD, &samples::key_records());
    check("applied_record", version::RECORD, &samples::applied_records());
    check("lease_record", version::RECORD, &samples::lease_records());
    check("replica_mark", version::RECORD, &samples::replica_marks());
    check("inherited_names", version::RECORD, &failover::inherited_names());
    check("inherited_terms", version::RECORD, &failover::inherited_terms());
    check("region_record", version::CLUSTER_RECORD, &samples::region_records());
    check("isolation", version::RECORD, &failover::isolations());
    check("org_settings", version::RECORD, &failover::org_settings());
    check("closed_group", version::RECORD, &failover::closed_groups());
    check("node_record", version::NODE_RECORD, &samples::node_records());
    check("cluster_record", version::CLUSTER_RECORD, &samples::cluster_records());
    check("home_record", version::HOME, &samples::home_records());
    check("away_record", version::RECORD, &samples::away_records());
    check("belonging", version::RECORD, &samples::moved_records());
    check("registration", version::RECORD, &registration::registrations());
    check("org_profile", version::RECORD, &registration::profiles());
    check("resource", version::RECORD, &resource::resources());
    check("org_key", version::ORG_KEY, &key::org_keys());
    check("policy_set", version::RECORD, &policy::sets());
    check("counter", version::RECORD, &samples::counters());
    check("peer_request", version::PEER, &peer::peer_requests());
    check("peer_reply", version::PEER, &peer::peer_replies());
    check("propose_reply", version::PEER, &peer::propose_replies());
    check("notice", version::PEER, &peer::notices());
    check("stream_head", version::PEER, &peer::stream_heads());
}

#[test]
fn every_version_of_a_position_is_read_and_the_newest_written() {
    compare(
        "position",
        version::POSITION,
        &samples::positions(),
        |position| position.to_string().into_bytes(),
        |bytes| Ok(String::from_utf8_lossy(bytes).parse()?),
    );
}

#[test]
fn every_version_of_a_chunk_is_read_and_the_newest_written() {
    let pair = (b"key".to_vec(), b"value".to_vec());
    let samples = vec![
        ("first", Chunk { sequence: 0, pairs: vec![pair.clone(), pair], last: false }),
        ("last", Chunk { sequence: 300, pairs: Vec::new(), last: true }),
    ];
    compare(
        "chunk",
        version::SNAPSHOT,
        &samples,
        |chunk| chunk.encode_after(0x1234_5678).0,
        |bytes| Chunk::decode_after(bytes, 0x1234_5678).map(|(chunk, _)| chunk),
    );
}
