//! The statuses that are given outside the dialects, and those that are counted apart: the one
//! table.

/// Done.
pub(crate) const OK: u16 = 200;
/// Begun; the rest follows.
pub(crate) const ACCEPTED: u16 = 202;
/// The request cannot be right.
pub(crate) const BAD_REQUEST: u16 = 400;
/// The time asked for is over.
pub(crate) const TIMED_OUT: u16 = 408;
/// It is there already.
pub(crate) const CONFLICT: u16 = 409;
/// The head is larger than is taken.
pub(crate) const HEADERS_TOO_LARGE: u16 = 431;
/// It says that something must be done that is not done here.
pub(crate) const NOT_IMPLEMENTED: u16 = 501;
/// Not now.
pub(crate) const UNAVAILABLE: u16 = 503;

/// All that the node gives, for counting.
pub(crate) const ALL: [u16; 19] =
    [200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 415, 422, 429, 503];
