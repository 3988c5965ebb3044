//! Encrypts secrets before they are proposed, so that logs, stores, snapshots and peers only ever
//! hold ciphertext, and replicas stay deterministic (the nonce is drawn before the log).
//!
//! XChaCha20-Poly1305 with a random nonce. An organization has a data key of its own, wrapped by
//! the keyring's active key. The associated data bind a ciphertext to its organization, credential,
//! field and write: moved anywhere else, it does not decrypt.

use std::{fmt, sync::Arc};

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use concordat_cluster::planted;
use concordat_proto::{
    id::{OrgId, WriteId},
    org::WrappedKey,
    secret::{Sealed, Secret},
};
use zeroize::Zeroizing;

use crate::{
    entropy::{self, Entropy},
    keyring::{KEY_BYTES, Key, Keyring},
};

/// First byte of everything sealed or wrapped: format and cipher.
const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Why a ciphertext does not decrypt. It reveals nothing of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The keyring lacks the key that wrapped it.
    #[error("key {0} is not in this node's keyring")]
    UnknownKey(u32),
    /// Another format than this build knows, or cut short.
    #[error("sealed bytes of an unknown format")]
    UnknownFormat,
    /// Altered, or of another organization, credential, field or write.
    #[error("sealed bytes that do not belong here")]
    Foreign,
}

/// The field of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// An OIDC client secret.
    ClientSecret(&'a str),
    /// Apple's private key of an OIDC credential.
    PrivateKey(&'a str),
    /// The organization's first API key.
    FirstApiKey,
    /// The object of an external credential.
    ExternalBlob(&'a str),
    /// An API key beside the organization's first, by its id.
    ApiKey(&'a str),
}

impl Field<'_> {
    /// Its name in the associated data, and that of the credential or resource. Both are kept for ever.
    const fn names(&self) -> (&'static str, &str) {
        match self {
            Self::ClientSecret(client_id) => ("oidc.client_secret", client_id),
            Self::PrivateKey(client_id) => ("oidc.options.apple.private_key", client_id),
            Self::FirstApiKey => ("org.first_api_key", ""),
            Self::ExternalBlob(name) => ("external.json_blob", name),
            Self::ApiKey(id) => ("org.api_key", id),
        }
    }
}

/// Makes and opens data keys.
#[derive(Clone)]
pub struct Sealer {
    keyring: Arc<Keyring>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({:?})", self.keyring)
    }
}

impl Sealer {
    /// By a keyring.
    #[must_use]
    pub fn new(keyring: Arc<Keyring>, entropy: Arc<dyn Entropy>) -> Self {
        Self { keyring, entropy }
    }

    /// Its keyring.
    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// A new data key for an organization, ready for use and wrapped for keeping.
    #[must_use]
    pub fn new_data_key(&self, org: OrgId) -> (DataKey, WrappedKey) {
        let key: Key = Zeroizing::new(entropy::random(&*self.entropy));
        let (id, wrapping) = self.keyring.active();
        let bytes = encrypt(wrapping, &*self.entropy, &*key, &wrap_context(org, id));
        let data_key = DataKey { org, key, entropy: Arc::clone(&self.entropy) };
        (data_key, WrappedKey { keyring_key: id, bytes })
    }

    /// An organization's data key, unwrapped.
    ///
    /// # Errors
    /// When the keyring lacks the wrapping key, or the bytes are not that organization's.
    pub fn data_key(&self, org: OrgId, wrapped: &WrappedKey) -> Result<DataKey, SealError> {
        let id = wrapped.keyring_key;
        let wrapping = self.keyring.get(id).ok_or(SealError::UnknownKey(id))?;
        let opened = decrypt(wrapping, &wrapped.bytes, &wrap_context(org, id))?;
        let key = <[u8; KEY_BYTES]>::try_from(opened.as_slice());
        let key = Zeroizing::new(key.map_err(|_| SealError::UnknownFormat)?);
        Ok(DataKey { org, key, entropy: Arc::clone(&self.entropy) })
    }
}

/// An organization's data key in plaintext; zeroed on drop.
pub struct DataKey {
    org: OrgId,
    key: Key,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey(of {})", self.org)
    }
}

impl DataKey {
    /// Seals a secret for its place.
    #[must_use]
    pub fn seal(&self, secret: &Secret, field: Field<'_>, write_id: WriteId) -> Sealed {
        let context = seal_context(self.org, field, write_id);
        let bytes = encrypt(&self.key, &*self.entropy, secret.expose().as_bytes(), &context);
        Sealed { sealed_by: write_id, bytes }
    }

    /// Opens a secret at its place.
    ///
    /// # Errors
    /// When it was altered or sealed for another place.
    pub fn open(&self, sealed: &Sealed, field: Field<'_>) -> Result<Secret, SealError> {
        let context = seal_context(self.org, field, sealed.sealed_by);
        let mut opened = decrypt(&self.key, &sealed.bytes, &context)?;
        let text = String::from_utf8(std::mem::take(&mut *opened));
        text.map(Secret::new).map_err(|_| SealError::UnknownFormat)
    }
}

fn encrypt(key: &Key, entropy: &dyn Entropy, clear: &[u8], context: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = entropy::random(entropy);
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let sealed = cipher
        .encrypt(XNonce::from_slice(&nonce), Payload { msg: clear, aad: context })
        .expect("only lengths beyond 256 GiB fail");
    let mut bytes = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
    bytes.push(FORMAT);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&sealed);
    planted::on_sealed(bytes, clear)
}

fn decrypt(key: &Key, bytes: &[u8], context: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (&format, rest) = bytes.split_first().ok_or(SealError::UnknownFormat)?;
    let (nonce, sealed) =
        rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::UnknownFormat)?;
    if format != FORMAT {
        return Err(SealError::UnknownFormat);
    }
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let opened = cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: context });
    opened.map(Zeroizing::new).map_err(|_| SealError::Foreign)
}

/// Every part with its length before it, so that no two places have the same bytes.
fn context(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        let length = u32::try_from(part.len()).expect("parts are ids and names of bounded length");
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn seal_context(org: OrgId, field: Field<'_>, write_id: WriteId) -> Vec<u8> {
    let (field, client_id) = field.names();
    context(&[
        b"concordat/secret",
        &org.to_bytes(),
        client_id.as_bytes(),
        field.as_bytes(),
        &write_id.to_bytes(),
    ])
}

fn wrap_context(org: OrgId, keyring_key: u32) -> Vec<u8> {
    context(&[b"concordat/data-key", &org.to_bytes(), &keyring_key.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::SystemClock,
        entropy::{OsEntropy, org_id, write_id},
    };

    fn sealer() -> Sealer {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keyring.toml");
        Keyring::create(&path, &OsEntropy).unwrap();
        Sealer::new(Arc::new(Keyring::read(&path).unwrap()), Arc::new(OsEntropy))
    }

    fn secret() -> Secret {
        Secret::new("canary-secret".into())
    }

    #[test]
    fn a_secret_opens_at_its_place_and_nowhere_else() {
        let sealer = sealer();
        let (org, write) = (org_id(&SystemClock, &OsEntropy), write_id(&SystemClock, &OsEntropy));
        let (key, wrapped) = sealer.new_data_key(org);
        let sealed = key.seal(&secret(), Field::ClientSecret("a"), write);
        let key = sealer.data_key(org, &wrapped).unwrap();
        assert_eq!(key.open(&sealed, Field::ClientSecret("a")), Ok(secret()));

        for elsewhere in [Field::ClientSecret("b"), Field::PrivateKey("a"), Field::FirstApiKey] {
            assert_eq!(key.open(&sealed, elsewhere), Err(SealError::Foreign));
        }
        let other_write = write_id(&SystemClock, &OsEntropy);
        let moved = Sealed { sealed_by: other_write, bytes: sealed.bytes };
        assert_eq!(key.open(&moved, Field::ClientSecret("a")), Err(SealError::Foreign));
        let other_org = org_id(&SystemClock, &OsEntropy);
        assert_eq!(sealer.data_key(other_org, &wrapped).unwrap_err(), SealError::Foreign);
    }

    #[test]
    fn every_altered_or_missing_byte_is_noticed() {
        let sealer = sealer();
        let (org, write) = (org_id(&SystemClock, &OsEntropy), write_id(&SystemClock, &OsEntropy));
        let (key, _) = sealer.new_data_key(org);
        let sealed = key.seal(&secret(), Field::FirstApiKey, write);
        for at in 0..sealed.bytes.len() {
            let mut bytes = sealed.bytes.clone();
            bytes[at] ^= 1;
            assert!(key.open(&Sealed { sealed_by: write, bytes }, Field::FirstApiKey).is_err());
            let bytes = sealed.bytes[..at].to_vec();
            assert!(key.open(&Sealed { sealed_by: write, bytes }, Field::FirstApiKey).is_err());
        }
    }

    #[test]
    fn nothing_sealed_shows_the_secret_or_repeats() {
        let sealer = sealer();
        let (org, write) = (org_id(&SystemClock, &OsEntropy), write_id(&SystemClock, &OsEntropy));
        let (key, _) = sealer.new_data_key(org);
        let one = key.seal(&secret(), Field::FirstApiKey, write);
        let two = key.seal(&secret(), Field::FirstApiKey, write);
        assert_ne!(one.bytes, two.bytes, "a nonce is never used twice");
        let text = String::from_utf8_lossy(&one.bytes).into_owned();
        assert!(!text.contains("canary"));
        assert!(!format!("{one:?} {key:?} {sealer:?}").contains("canary"));
    }

    #[test]
    fn a_keyring_without_the_key_says_so() {
        let (one, other) = (sealer(), sealer());
        let org = org_id(&SystemClock, &OsEntropy);
        let (_, mut wrapped) = one.new_data_key(org);
        assert_eq!(other.data_key(org, &wrapped).unwrap_err(), SealError::Foreign);
        wrapped.keyring_key = 9;
        assert_eq!(one.data_key(org, &wrapped).unwrap_err(), SealError::UnknownKey(9));
    }
}
