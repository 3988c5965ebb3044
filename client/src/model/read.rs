//! The results of reads: a value or a page of a list, with its freshness.

use crate::model::freshness::Freshness;

/// One thing as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Read<T> {
    /// The thing.
    pub value: T,
    /// Its version, for `if_match`.
    pub etag: Option<String>,
    /// Whether it is fresh.
    pub freshness: Freshness,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items asked for.
    pub items: Vec<T>,
    /// The number of all items, if the server gave it.
    pub total_count: Option<u64>,
    /// Where the next page begins, if there is one and the list has such cursors.
    pub cursor: Option<String>,
    /// Whether the list is fresh.
    pub freshness: Freshness,
}
