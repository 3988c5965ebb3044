//! API keys as texts: their generation, and the hash, which is the only stored form.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use concordat_proto::{
    id::OrgId,
    org::{ApiKey, KeyHash, Rights},
    secret::Secret,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::entropy::{self, Entropy};

/// The hash under which a key is kept: of the whole text.
pub(crate) fn hash_key(text: &[u8]) -> KeyHash {
    Sha256::digest(text).into()
}

/// The organization that the text of a key names; `None` for an operator's key, and for what is none.
pub(crate) fn org_of_key(text: &[u8]) -> Option<OrgId> {
    let named = text.strip_prefix(b"ck_")?.get(..32)?;
    let named = uuid::Uuid::try_parse_ascii(named).ok().map(OrgId)?;
    (!named.is_reserved()).then_some(named)
}

/// A new key of an organization: `ck_<organization>_<256 random bits>`.
pub(crate) fn new_org_key(org: OrgId, entropy: &dyn Entropy) -> (Secret, ApiKey) {
    new_key(&format!("ck_{}_", org.0.simple()), entropy)
}

/// A new key of an operator: `op_<256 random bits>`.
pub(crate) fn new_operator_key(entropy: &dyn Entropy) -> (Secret, ApiKey) {
    new_key("op_", entropy)
}

fn new_key(prefix: &str, entropy: &dyn Entropy) -> (Secret, ApiKey) {
    let bytes = Zeroizing::new(entropy::random::<32>(entropy));
    let mut text = String::with_capacity(prefix.len() + 43);
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(*bytes, &mut text);
    let hash = hash_key(text.as_bytes());
    (Secret::new(text), ApiKey { id: entropy::key_id(entropy), hash, rights: Rights::ALL })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::SystemClock,
        entropy::{OsEntropy, org_id},
    };

    #[test]
    fn keys_have_their_form_and_only_their_hash_is_in_the_record() {
        let org = org_id(&SystemClock, &OsEntropy);
        let (text, record) = new_org_key(org, &OsEntropy);
        let rest = text.expose().strip_prefix(&format!("ck_{}_", org.0.simple())).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(rest).unwrap().len(), 32);
        assert_eq!(record.hash, hash_key(text.expose().as_bytes()));
        assert_eq!(org_of_key(text.expose().as_bytes()), Some(org));
        for none in ["", "ck_", "op_x", &format!("ck_{}_x", OrgId::from_bytes([0; 16]).0.simple())]
        {
            assert_eq!(org_of_key(none.as_bytes()), None, "{none}");
        }
        let (text, _) = new_operator_key(&OsEntropy);
        assert_eq!(text.expose().len(), 3 + 43);
    }
}
