//! Carrying over: live entries of the oldest segment are written again, behind the newest record, so
//! that the segment can go although a quiet group has entries in it.
//!
//! **Invariant.** A carried record says where a live entry lies; it never says which entries are
//! live. It is written only for an entry that is live at that place of the log, and recovery takes
//! any other one for damage: so it cannot bring back what was truncated or purged. The old copy goes
//! only once the new one is synced and readers are directed to it.
//!
//! **When.** While the segments hold more dead bytes than live ones, and
//! [`LogOptions::slack_segments`](super::super::LogOptions) more. So the files hold at most about
//! twice what is live, and since all that is live has been copied before as many bytes have become
//! dead again, at most about one byte is copied for each that is written. A batch is followed by at
//! most one write of copies.
//!
//! Nothing is carried over before it is allowed ([`LogOptions::carries`](super::super::LogOptions)).
//!
//! An entry that was written when segments were larger, and does not fit into one of today, stays
//! until it is purged.

use std::ops::Range;

use super::{
    super::{
        error::LogError,
        frame::{Head, Kind},
        index::{Planned, Source},
        read,
        segment::CARRIED_VERSION,
        types::LogRecord,
    },
    Copied, Writer,
};

impl Writer {
    /// Carries over what is live in the oldest segment, up to a batch; true when there was something.
    pub(super) fn carry_over(&mut self) -> Result<bool, LogError> {
        let span = self.pool.span();
        if !self.shared.may_carry() || span.first >= span.last || !self.is_wasteful() {
            return Ok(false);
        }
        if self.tail.version < CARRIED_VERSION {
            self.roll()?;
        }
        let mut bytes_left = self.shared.options.batch_bytes_max;
        let mut carried = 0;
        for (group, range) in self.ledger.entries_in(span.first) {
            let planned = self.plan_copies(group, range, span.first, bytes_left);
            let records = read::fetch(&self.shared, group, &planned)?;
            for (record, planned) in records.iter().zip(&planned) {
                bytes_left = bytes_left.saturating_sub(record.payload.len());
                self.copy(group, record, planned)?;
                carried += 1;
            }
            if bytes_left == 0 {
                break;
            }
        }
        self.flush()?;
        self.records = 0;
        self.shared.count(|stats| stats.carried += carried);
        self.may_shrink = carried > 0;
        Ok(carried > 0)
    }

    fn is_wasteful(&self) -> bool {
        let span = self.pool.span();
        let segment = u64::from(self.pool.segment_bytes());
        let used = u64::from(span.last + 1 - span.first) * segment;
        let live = self.shared.lock().index.live_bytes();
        let slack = u64::from(self.shared.options.slack_segments) * segment;
        used > 2 * live + slack
    }

    /// Entries that queued calls have dropped are not copied: their segment goes when those calls
    /// are written.
    fn plan_copies(
        &self,
        group: u32,
        range: Range<u64>,
        sequence: u32,
        bytes_max: usize,
    ) -> Vec<Planned> {
        let fits = |planned: &Planned| match &planned.from {
            Source::Disk(place) => place.length as usize <= self.shared.options.record_bytes_max(),
            Source::Memory(_) => false,
        };
        let mut planned = self.shared.lock().index.in_segment(group, range, sequence, bytes_max);
        planned.retain(fits);
        planned
    }

    fn copy(&mut self, group: u32, record: &LogRecord, planned: &Planned) -> Result<(), LogError> {
        let Source::Disk(from) = planned.from else { return Ok(()) };
        let (index, term) = (record.id.index, record.id.term);
        let to = self.put(Head { kind: Kind::Carried, group, index, term }, &record.payload)?;
        let is_live = self.ledger.carry(group, index, to.sequence);
        assert!(is_live, "what is on the disk and not dropped by a queued call is live");
        self.copied.push(Copied { group, index, from, to });
        Ok(())
    }

    /// Directs readers to the copies, which are synced: before anything can release the originals.
    pub(super) fn publish_copies(&mut self) {
        if self.copied.is_empty() {
            return;
        }
        let mut state = self.shared.lock();
        for Copied { group, index, from, to } in self.copied.drain(..) {
            state.index.on_carried(group, index, from, to);
        }
    }
}
