//! The statuses outside the dialects, and those that are counted separately: the one table.

/// Done.
pub(crate) const OK: u16 = 200;
/// The time asked for is over.
pub(crate) const TIMED_OUT: u16 = 408;
/// It is there already.
pub(crate) const CONFLICT: u16 = 409;

/// All that the node gives, for counting.
pub(crate) const ALL: [u16; 20] = [
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 415, 422, 429, 501,
    503,
];
