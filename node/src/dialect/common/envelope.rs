//! The envelope of every answer: `{"errors":[…],"meta":{…},"result":…}` (contract 1.4 and 3).

use concordat_proto::{
    api::{
        envelope::{Envelope, ErrorItem, Meta, Pagination},
        receipt,
    },
    consistency::Receipt,
    refusal::Refusal,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::status;

/// A receipt as a document, with what a refused write is answered.
pub(in crate::dialect) fn receipt_of(
    receipt: &Receipt,
    refusal: Option<&Refusal>,
) -> receipt::Receipt {
    let refused = refusal.map(|refusal| ErrorItem {
        httpcode: status::of_refusal(refusal.class()),
        message: refusal.to_string(),
    });
    receipt::Receipt { refused, ..receipt.into() }
}

/// A success: with or without a result, a receipt, a page.
pub(in crate::dialect) fn success(
    result: Option<Box<RawValue>>,
    receipt: Option<&Receipt>,
    pagination: Option<Pagination>,
) -> Vec<u8> {
    let consistency = receipt.map(receipt::Receipt::from);
    to_json(Vec::new(), Meta { pagination, consistency }, result)
}

/// A failure.
pub(in crate::dialect) fn failure(
    status: u16,
    message: &str,
    receipt: Option<&Receipt>,
) -> Vec<u8> {
    failure_of(status, message, receipt.map(receipt::Receipt::from))
}

/// A failure with a receipt that is ready.
pub(in crate::dialect) fn failure_of(
    status: u16,
    message: &str,
    consistency: Option<receipt::Receipt>,
) -> Vec<u8> {
    let errors = vec![ErrorItem { httpcode: status, message: message.to_owned() }];
    to_json(errors, Meta { pagination: None, consistency }, None)
}

fn to_json(errors: Vec<ErrorItem>, meta: Meta, result: Option<Box<RawValue>>) -> Vec<u8> {
    let envelope = Envelope { errors: Some(errors), meta: Some(meta), result };
    serde_json::to_vec(&envelope).expect("plain data is JSON")
}

/// Plain data as JSON, to be put into an envelope as it is.
pub(in crate::dialect) fn raw<T: Serialize>(value: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("plain data is JSON")
}
