//! Pages of lists, whatever a dialect calls their bounds. No page is larger than an answer may be.

use concordat_cluster::machine::list::{Part, Wanted};
use concordat_proto::limits;

/// A page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// At most this many items; `None` is as many as a page may have.
    pub limit: Option<usize>,
    /// Skip this many items.
    pub offset: usize,
    /// Only items whose names come after this one.
    pub after: Option<String>,
}

impl Page {
    /// The most items that this page may have.
    #[must_use]
    pub fn items_max(&self) -> usize {
        self.limit.unwrap_or(limits::PAGE_ITEMS_MAX).min(limits::PAGE_ITEMS_MAX)
    }

    /// The part of a list that it is.
    #[must_use]
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted {
            after: self.after.as_deref(),
            offset: self.offset,
            items_max: self.items_max(),
            ..Wanted::FIRST
        }
    }
}

/// A list, or a part of one.
#[derive(Debug, Clone)]
pub struct List<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// The page.
    pub page: Page,
    /// The number of items on all pages.
    pub total_count: usize,
    /// The name after which the next page begins; `None` on the last one, and where pages have no such name.
    pub next: Option<String>,
}

impl<T> List<T> {
    /// A page as it was read.
    #[must_use]
    pub fn of(page: Page, part: Part<T>) -> Self {
        let Part { items, total_count, next } = part;
        Self { items, page, total_count, next }
    }
}
