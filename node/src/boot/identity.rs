//! The identity in a data directory: a node id that is made once, the node's region, and the
//! cluster it belongs to. It is written durably before anything depends on it.
//!
//! A wiped disk or a copied configuration is a new node; a region never changes. The last line is a
//! checksum of the others: with a flipped bit in an id the node would be another one, which no peer
//! talks to and which believes itself in its cluster.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use concordat_cluster::{
    locks::locked,
    raft::{Bootstrap, SaveCluster},
};
use concordat_proto::{
    id::{ClusterId, NodeId},
    org::{ApiKey, Rights},
    region::Region,
};
use serde::{Deserialize, Serialize};

use crate::{
    boot::{atomic_file, failure::Failure},
    entropy::{self, Entropy},
    hex,
};

const FILE: &str = "identity";
const FORMAT: u32 = 2;
/// The format of earlier builds, without a checksum.
const FORMAT_UNCHECKED: u32 = 1;
/// The checksum follows this.
const END: &str = "}\n";

/// A data directory's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Made once, never reused.
    pub node: NodeId,
    /// Never changes.
    pub region: Region,
    /// The cluster, once it belongs to one.
    pub cluster: Option<ClusterId>,
    /// The cluster that this node began, and the hash of its operator's key. Kept, so that a
    /// beginning that was interrupted is finished at the next start, and never by a node that
    /// joined.
    pub founded: Option<Bootstrap>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    node_id: String,
    region: String,
    cluster_id: Option<String>,
    founded: Option<StoredFounding>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFounding {
    cluster_id: String,
    operator_key_id: String,
    operator_key_sha256: String,
}

/// The identity and the file that keeps it.
#[derive(Debug, Clone)]
pub struct IdentityFile {
    path: PathBuf,
    identity: Arc<Mutex<Identity>>,
}

impl IdentityFile {
    /// Reads the directory's identity, or makes one. The caller holds the directory's lock.
    ///
    /// # Errors
    /// When it is another region's, cannot be read, or cannot be written.
    pub fn open(directory: &Path, region: &Region, entropy: &dyn Entropy) -> Result<Self, Failure> {
        let path = directory.join(FILE);
        let identity = match Self::peek(directory, region)? {
            Some(identity) => identity,
            None => {
                let node = entropy::node_id(entropy);
                let made = Identity { node, region: region.clone(), cluster: None, founded: None };
                write(&path, &made).map_err(|error| Failure::fault(describe(&path), error))?;
                made
            }
        };
        Ok(Self { path, identity: Arc::new(Mutex::new(identity)) })
    }

    /// Reads the directory's identity, if it has one. Changes nothing.
    ///
    /// # Errors
    /// When it is another region's, or cannot be read.
    pub fn peek(directory: &Path, region: &Region) -> Result<Option<Identity>, Failure> {
        let path = directory.join(FILE);
        let identity = match fs::read(&path) {
            Ok(bytes) => {
                parse(&bytes).map_err(|error| Failure::bad_setting(describe(&path), error))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::fault(describe(&path), error)),
        };
        if identity.region != *region {
            return Err(Failure::setting(format!(
                "this data directory belongs to region {}, not {region}: a node's region never \
                 changes",
                identity.region
            )));
        }
        Ok(Some(identity))
    }

    /// The present identity.
    #[must_use]
    pub fn identity(&self) -> Identity {
        locked(&self.identity).clone()
    }

    /// Whether this directory may create a cluster: it belongs to none and has created none.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let known = self.identity();
        known.cluster.is_none() && known.founded.is_none()
    }

    /// Notes the cluster that this node is about to begin.
    ///
    /// # Errors
    /// When it belongs to one or has begun one, or the identity cannot be written.
    pub fn found(&self, bootstrap: Bootstrap) -> Result<(), Failure> {
        if !self.is_free() {
            return Err(Failure::setting("this data directory belongs to a cluster already"));
        }
        self.change(|identity| identity.founded = Some(bootstrap))
            .map_err(|error| Failure::fault(describe(&self.path), error))
    }

    /// Keeps the cluster's id once the node belongs to it.
    #[must_use]
    pub fn save_cluster(&self) -> SaveCluster {
        let file = self.clone();
        Arc::new(move |cluster| file.change(|identity| identity.cluster = Some(cluster)))
    }

    fn change(&self, change: impl FnOnce(&mut Identity)) -> io::Result<()> {
        let mut identity = locked(&self.identity);
        let mut changed = identity.clone();
        change(&mut changed);
        if changed != *identity {
            write(&self.path, &changed)?;
            *identity = changed;
        }
        Ok(())
    }
}

fn describe(path: &Path) -> String {
    format!("the identity in {}", path.display())
}

fn write(path: &Path, identity: &Identity) -> io::Result<()> {
    let stored = Stored {
        format: FORMAT,
        node_id: identity.node.to_string(),
        region: identity.region.to_string(),
        cluster_id: identity.cluster.map(|id| id.to_string()),
        founded: identity.founded.as_ref().map(|founded| StoredFounding {
            cluster_id: founded.cluster.to_string(),
            operator_key_id: founded.operator_key.id.to_string(),
            operator_key_sha256: hex::encode(&founded.operator_key.hash),
        }),
    };
    let mut text = serde_json::to_string_pretty(&stored)?;
    text.push('\n');
    let checksum = checksum(&text);
    atomic_file::replace(path, format!("{text}{checksum}\n").as_bytes())
}

fn checksum(text: &str) -> String {
    format!("{:08x}", crc32c::crc32c(text.as_bytes()))
}

fn parse(bytes: &[u8]) -> Result<Identity, Box<dyn std::error::Error + Send + Sync>> {
    let text = std::str::from_utf8(bytes)?;
    let end = text.rfind(END).map_or(text.len(), |at| at + END.len());
    let (text, last_line) = text.split_at(end);
    let stored: Stored = serde_json::from_str(text)?;
    match (stored.format, last_line) {
        (FORMAT_UNCHECKED, "") => {}
        (FORMAT, last_line) if last_line.trim_end() == checksum(text) => {}
        (FORMAT_UNCHECKED | FORMAT, _) => return Err("its checksum is wrong".into()),
        (other, _) => return Err(format!("format {other} is not known to this build").into()),
    }
    Ok(Identity {
        node: stored.node_id.parse()?,
        region: Region::new(stored.region)?,
        cluster: stored.cluster_id.map(|text| text.parse()).transpose()?,
        founded: stored.founded.as_ref().map(founding).transpose()?,
    })
}

fn founding(
    stored: &StoredFounding,
) -> Result<Bootstrap, Box<dyn std::error::Error + Send + Sync>> {
    let hash = hex::decode_hash(&stored.operator_key_sha256).ok_or("not a SHA-256")?;
    let id = stored.operator_key_id.parse()?;
    Ok(Bootstrap {
        cluster: stored.cluster_id.parse()?,
        operator_key: ApiKey { id, hash, rights: Rights::ALL },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth, entropy::OsEntropy};

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    #[test]
    fn an_identity_is_made_once_and_its_region_never_changes() {
        let directory = tempfile::tempdir().unwrap();
        let first = IdentityFile::open(directory.path(), &region("us"), &OsEntropy).unwrap();
        let again = IdentityFile::open(directory.path(), &region("us"), &OsEntropy).unwrap();
        assert_eq!(first.identity(), again.identity());
        let moved = IdentityFile::open(directory.path(), &region("eu"), &OsEntropy).unwrap_err();
        assert!(moved.to_string().contains("never changes"), "{moved}");
    }

    fn bootstrap() -> Bootstrap {
        let (_, operator_key) = auth::new_operator_key(&OsEntropy);
        Bootstrap { cluster: entropy::cluster_id(&OsEntropy), operator_key }
    }

    #[test]
    fn only_a_founder_goes_on_founding() {
        let directory = tempfile::tempdir().unwrap();
        let file = IdentityFile::open(directory.path(), &region("us"), &OsEntropy).unwrap();
        let founded = bootstrap();
        assert!(file.is_free());
        file.found(founded.clone()).unwrap();
        assert!(file.found(bootstrap()).is_err(), "a cluster is begun once");
        let again = IdentityFile::open(directory.path(), &region("us"), &OsEntropy).unwrap();
        assert_eq!(again.identity().founded, Some(founded), "it finishes what it began");

        let directory = tempfile::tempdir().unwrap();
        let member = IdentityFile::open(directory.path(), &region("us"), &OsEntropy).unwrap();
        let cluster = entropy::cluster_id(&OsEntropy);
        (member.save_cluster())(cluster).unwrap();
        let member = IdentityFile::open(directory.path(), &region("us"), &OsEntropy).unwrap();
        assert_eq!(member.identity().cluster, Some(cluster));
        assert!(member.found(bootstrap()).is_err(), "a member begins nothing");
    }

    #[test]
    fn damage_is_told() {
        let directory = tempfile::tempdir().unwrap();
        for bad in ["", "{}", r#"{"format":9,"node_id":"0000000000000001","region":"us"}"#] {
            fs::write(directory.path().join(FILE), bad).unwrap();
            assert!(IdentityFile::open(directory.path(), &region("us"), &OsEntropy).is_err());
        }
    }

    #[test]
    fn no_bit_of_an_identity_may_flip_and_no_byte_be_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let open = || IdentityFile::open(directory.path(), &region("us"), &OsEntropy);
        open().unwrap().found(bootstrap()).unwrap();
        let (whole, known) = (fs::read(&path).unwrap(), open().unwrap().identity());
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut spoilt = whole.clone();
                spoilt[place] ^= 1 << bit;
                fs::write(&path, &spoilt).unwrap();
                let is_right = open().map(|file| file.identity() == known);
                assert!(is_right.unwrap_or(true), "bit {bit} of byte {place}");
            }
            fs::write(&path, &whole[..place]).unwrap();
            let is_right = open().map(|file| file.identity() == known);
            assert!(is_right.unwrap_or(true), "cut at {place}");
        }
    }

    #[test]
    fn an_identity_of_an_earlier_build_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let text = "{\"format\":1,\"node_id\":\"0000000000000001\",\"region\":\"us\"}\n";
        fs::write(directory.path().join(FILE), text).unwrap();
        let file = IdentityFile::open(directory.path(), &region("us"), &OsEntropy).unwrap();
        assert_eq!(file.identity().node, NodeId(1));
    }
}
