//! The promises of writes and their receipts: consistency, receipts, positions, idempotency keys
//! and bounds, with a region cut off too.

mod bounds;
mod consistency;
mod cut;
mod idempotency;
mod positions;
mod receipts;
