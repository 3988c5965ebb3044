//! The keyring file: the keys that wrap the organizations' data keys. Of several, one is active;
//! the others still unwrap what they have wrapped.
//!
//! The keys are in memory for as long as the process lives, and nowhere else: no Display, a
//! redacted Debug, zeroed on drop. Only the file's owner may read it.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use concordat_proto::id::{ClusterId, KeyId};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Builder;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    boot::{atomic_file, failure::Failure},
    entropy::{self, Entropy},
};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Keys of one keyring.
const KEYS_MAX: usize = 256;
/// The version of the UUID of a mark.
const MARK_VERSION: usize = 8;

/// A key, wiped on drop.
pub type Key = Zeroizing<[u8; KEY_BYTES]>;

/// Several keys, one active.
pub struct Keyring {
    active: u32,
    keys: BTreeMap<u32, Key>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys, {} active)", self.keys.len(), self.active)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    active: u32,
    key: Vec<StoredKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    id: u32,
    secret: String,
}

impl Drop for StoredKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Keyring {
    /// Reads a keyring file.
    ///
    /// # Errors
    /// When it is not there, not its owner's alone, or not well-formed. The error never quotes it.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let context = || format!("the keyring {}", path.display());
        atomic_file::require_owner_only(path)
            .map_err(|error| Failure::bad_setting(context(), error))?;
        let text = fs::read_to_string(path).map_err(|e| Failure::bad_setting(context(), e))?;
        let text = Zeroizing::new(text);
        Self::parse(&text).map_err(|reason| Failure::bad_setting(context(), reason))
    }

    /// Makes a keyring file with one key.
    ///
    /// # Errors
    /// When there is such a file, or it cannot be written.
    pub fn create(path: &Path, entropy: &dyn Entropy) -> Result<(), Failure> {
        let key: Key = Zeroizing::new(entropy::random(entropy));
        let secret = Zeroizing::new(STANDARD.encode(*key));
        let text = Zeroizing::new(format!(
            "# Wraps the data keys of all organizations. Without it their secrets are lost;\n\
             # every node of the cluster needs the same one.\n\
             active = 1\n\n[[key]]\nid = 1\nsecret = \"{}\"\n",
            *secret
        ));
        atomic_file::create(path, text.as_bytes())
            .map_err(|error| Failure::bad_setting(format!("making {}", path.display()), error))
    }

    /// One that is kept nowhere, with one new key.
    #[must_use]
    pub fn in_memory(entropy: &dyn Entropy) -> Self {
        let key: Key = Zeroizing::new(entropy::random(entropy));
        Self { active: 1, keys: BTreeMap::from([(1, key)]) }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        // The parser's own error would quote the line, which may be a key.
        let stored: Stored = toml::from_str(text)
            .map_err(|_| "it must hold `active` and `[[key]]` tables of `id` and `secret`")?;
        if stored.key.len() > KEYS_MAX {
            return Err("it has too many keys");
        }
        let mut keys = BTreeMap::new();
        for key in &stored.key {
            let bytes = STANDARD.decode(&key.secret).map(Zeroizing::new);
            let bytes = bytes.map_err(|_| "a secret is not base64")?;
            let bytes = <[u8; KEY_BYTES]>::try_from(bytes.as_slice());
            let bytes = bytes.map_err(|_| "a secret has not 32 bytes")?;
            if keys.insert(key.id, Zeroizing::new(bytes)).is_some() {
                return Err("two keys have the same id");
            }
        }
        if !keys.contains_key(&stored.active) {
            return Err("the active key is not in it");
        }
        Ok(Self { active: stored.active, keys })
    }

    /// The key that wraps from now on, and its id.
    #[must_use]
    pub fn active(&self) -> (u32, &Key) {
        let key = self.keys.get(&self.active).expect("checked when the keyring was read");
        (self.active, key)
    }

    /// The id of the first operator key of a cluster that is created with this keyring: a node that
    /// has the keyring can verify that it is the same, and the id reveals no key. A UUID of version
    /// 8, which no other id is.
    #[must_use]
    pub fn mark(&self, cluster: ClusterId) -> KeyId {
        mark_of(self.active().1, cluster)
    }

    /// Whether an id can be a mark.
    #[must_use]
    pub fn is_mark(id: KeyId) -> bool {
        id.0.get_version_num() == MARK_VERSION
    }

    /// Whether one of the keys has made this mark.
    #[must_use]
    pub fn has_marked(&self, cluster: ClusterId, mark: KeyId) -> bool {
        self.keys.values().any(|key| mark_of(key, cluster) == mark)
    }

    /// A key by its id.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&Key> {
        self.keys.get(&id)
    }
}

/// A hash of the key, which is random and of fixed length, and of the cluster. Kept for ever.
fn mark_of(key: &Key, cluster: ClusterId) -> KeyId {
    let hash = Sha256::new()
        .chain_update(b"concordat/keyring-mark")
        .chain_update(key.as_slice())
        .chain_update(cluster.to_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    KeyId(Builder::from_custom_bytes(bytes).into_uuid())
}

/// The progress of the keyring check against the cluster's state (`keyring_check`).
#[derive(Debug, Default)]
pub(crate) struct KeyringCheck {
    passed: AtomicBool,
}

impl KeyringCheck {
    /// Whether the node may accept writes.
    pub(crate) fn has_passed(&self) -> bool {
        self.passed.load(Ordering::Acquire)
    }

    /// The node may take writes from now on.
    pub(crate) fn pass(&self) {
        self.passed.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::entropy::OsEntropy;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_new_keyring_can_be_read_and_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keyring.toml");
        Keyring::create(&path, &OsEntropy).unwrap();
        assert!(Keyring::create(&path, &OsEntropy).is_err());
        let keyring = Keyring::read(&path).unwrap();
        assert_eq!(keyring.active().0, 1);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(Keyring::read(&path).unwrap_err().chain().contains("chmod 600"));
    }

    #[test]
    fn malformed_ones_are_refused_without_being_quoted() {
        let cases = [
            String::new(),
            "active = 1\nkey = []".into(),
            format!("active = 2\n[[key]]\nid = 1\nsecret = \"{KEY}\""),
            format!("active = 1\n[[key]]\nid = 1\nsecret = \"{KEY}\"\nmore = 1"),
            format!("active = 1\n[[key]]\nid = 1\nsecret = {KEY}"),
            "active = 1\n[[key]]\nid = 1\nsecret = \"AAEC\"".into(),
            format!("active = 1\n{0}{0}", format!("[[key]]\nid = 1\nsecret = \"{KEY}\"\n")),
        ];
        for case in cases {
            let error = Keyring::parse(&case).expect_err(&case);
            assert!(!error.contains("AAEC"), "{error}");
        }
        let good = format!("active = 7\n[[key]]\nid = 7\nsecret = \"{KEY}\"");
        let keyring = Keyring::parse(&good).unwrap();
        assert_eq!(keyring.get(7).map(|key| key[31]), Some(31));
        assert!(!format!("{keyring:?}").contains("31"));
    }

    #[test]
    fn a_mark_is_of_one_key_and_one_cluster() {
        let text = format!("active = 7\n[[key]]\nid = 7\nsecret = \"{KEY}\"");
        let keyring = Keyring::parse(&text).unwrap();
        let (one, two) = (ClusterId::from_bytes([1; 16]), ClusterId::from_bytes([2; 16]));
        let mark = keyring.mark(one);
        // It is in the state of clusters: it must never change.
        assert_eq!(mark.to_string(), "a2c5a49d-c838-83b1-bfb2-e40ebe701937");
        assert!(Keyring::is_mark(mark) && keyring.has_marked(one, mark));
        assert!(!keyring.has_marked(two, mark));
        assert!(!Keyring::in_memory(&OsEntropy).has_marked(one, mark));
        assert!(!Keyring::is_mark(entropy::key_id(&OsEntropy)));
    }
}
