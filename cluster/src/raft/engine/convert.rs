//! Conversion between the library's values and bytes: log entries, append requests and their
//! answers, votes and memberships.
//!
//! The frequent ones are encoded by hand, so that an entry's payload is copied and never
//! re-encoded; the others use the codec of `proto`. Every encoding begins with a version.

use bytes::{BufMut, Bytes, BytesMut};
use concordat_proto::{
    command::Proposal,
    limits,
    log::{LogId, LogIndex, Term},
    version,
    wire::{Wire, WireError, decode_serde, encode_serde},
};
use openraft::{
    EntryPayload,
    entry::RaftEntry,
    raft::{AppendEntriesRequest, StreamAppendError},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    log::{LogRecord, RecordId},
    raft::engine::types::{Entry, Membership, Payload, RaftLogId, RaftTypes, RaftVote},
};

/// A decoding error of bytes from the log or a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConvertError {
    #[error("the bytes end too early")]
    Short,
    #[error("bytes of format version {0}, which this build does not read")]
    Version(u8),
    #[error("unknown kind {0}")]
    Kind(u8),
    #[error("bytes left over")]
    LeftOver,
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl From<ConvertError> for std::io::Error {
    fn from(error: ConvertError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

const ENTRY_VERSION: u8 = 1;
const KIND_BLANK: u8 = 0;
const KIND_NORMAL: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;

/// The library's log id as ours.
pub(crate) fn log_id(id: RaftLogId) -> LogId {
    LogId { term: Term(id.leader_id.term), index: LogIndex(id.index) }
}

/// Our log id as the library's.
pub(crate) fn raft_log_id(id: LogId) -> RaftLogId {
    RaftLogId::new_term_index(id.term.0, id.index.0)
}

/// A place in the log file as the library's log id.
pub(crate) fn record_log_id(id: RecordId) -> RaftLogId {
    RaftLogId::new_term_index(id.term, id.index)
}

/// Any of the library's small values.
pub(crate) fn encode<T: Serialize>(value: &T) -> Bytes {
    Bytes::from(encode_serde(version::PEER, value))
}

/// The reverse of [`encode`].
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ConvertError> {
    Ok(decode_serde(version::PEER, bytes, limits::FRAME_BYTES_MAX)?)
}

/// An entry as a log record.
pub(crate) fn record_of(entry: &Entry) -> LogRecord {
    let id = entry.log_id();
    LogRecord {
        id: RecordId { term: id.leader_id.term, index: id.index },
        payload: payload_of(entry),
    }
}

fn payload_of(entry: &Entry) -> Bytes {
    let mut bytes = BytesMut::new();
    match &entry.payload {
        EntryPayload::Blank => bytes.extend_from_slice(&[ENTRY_VERSION, KIND_BLANK]),
        EntryPayload::Normal(payload) => {
            bytes.reserve(2 + payload.0.len());
            bytes.extend_from_slice(&[ENTRY_VERSION, KIND_NORMAL]);
            bytes.extend_from_slice(&payload.0);
        }
        EntryPayload::Membership(membership) => {
            bytes.extend_from_slice(&[ENTRY_VERSION, KIND_MEMBERSHIP]);
            bytes.extend_from_slice(&encode(membership));
        }
    }
    bytes.freeze()
}

/// A log record as an entry.
pub(crate) fn entry_of(record: &LogRecord) -> Result<Entry, ConvertError> {
    let bytes = &record.payload;
    let [version, kind, ..] = bytes[..] else { return Err(ConvertError::Short) };
    if version != ENTRY_VERSION {
        return Err(ConvertError::Version(version));
    }
    let payload = match kind {
        KIND_BLANK => EntryPayload::Blank,
        KIND_NORMAL => EntryPayload::Normal(Payload(bytes.slice(2..))),
        KIND_MEMBERSHIP => EntryPayload::Membership(decode::<Membership>(&bytes[2..])?),
        other => return Err(ConvertError::Kind(other)),
    };
    Ok(Entry::new(record_log_id(record.id), payload))
}

/// An append request as one frame.
pub(crate) fn encode_append(request: &AppendEntriesRequest<RaftTypes>) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    out.put_u8(version::PEER);
    put_vote(&mut out, &request.vote);
    put_log_id(&mut out, request.prev_log_id);
    put_log_id(&mut out, request.leader_commit);
    for entry in &request.entries {
        let record = record_of(entry);
        out.put_u64(record.id.term);
        out.put_u64(record.id.index);
        out.put_u32(u32::try_from(record.payload.len()).expect("a command's size is limited"));
        out.extend_from_slice(&record.payload);
    }
    out.freeze()
}

/// The reverse of [`encode_append`].
pub(crate) fn decode_append(
    bytes: &Bytes,
) -> Result<AppendEntriesRequest<RaftTypes>, ConvertError> {
    let mut reader = Reader::versioned(bytes)?;
    let vote = reader.vote()?;
    let prev_log_id = reader.log_id()?;
    let leader_commit = reader.log_id()?;
    let mut entries = Vec::new();
    while !reader.at_end() {
        let id = RecordId { term: reader.u64()?, index: reader.u64()? };
        let length = reader.u32()? as usize;
        entries.push(entry_of(&LogRecord { id, payload: reader.take(length)? })?);
    }
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

/// The request, if this build can read each command in it: what a follower has appended may be
/// committed, and a replica that meets a committed entry that it cannot read has to stop for good.
pub(crate) fn readable(
    request: AppendEntriesRequest<RaftTypes>,
) -> Result<AppendEntriesRequest<RaftTypes>, ConvertError> {
    for entry in &request.entries {
        if let EntryPayload::Normal(payload) = &entry.payload {
            Proposal::decode(&payload.0)?;
        }
    }
    Ok(request)
}

/// An append's answer.
pub(crate) type AppendAnswer = Result<Option<RaftLogId>, StreamAppendError<RaftTypes>>;

/// An append's answer as one frame.
pub(crate) fn encode_append_answer(answer: &AppendAnswer) -> Bytes {
    let mut out = BytesMut::with_capacity(32);
    out.put_u8(version::PEER);
    match answer {
        Ok(matched) => {
            out.put_u8(0);
            put_log_id(&mut out, *matched);
        }
        Err(StreamAppendError::Conflict(at)) => {
            out.put_u8(1);
            put_log_id(&mut out, Some(*at));
        }
        Err(StreamAppendError::HigherVote(vote)) => {
            out.put_u8(2);
            put_vote(&mut out, vote);
        }
    }
    out.freeze()
}

/// The reverse of [`encode_append_answer`].
pub(crate) fn decode_append_answer(bytes: &Bytes) -> Result<AppendAnswer, ConvertError> {
    let mut reader = Reader::versioned(bytes)?;
    let answer = match reader.u8()? {
        0 => Ok(reader.log_id()?),
        1 => Err(StreamAppendError::Conflict(reader.log_id()?.ok_or(ConvertError::Short)?)),
        2 => Err(StreamAppendError::HigherVote(reader.vote()?)),
        other => return Err(ConvertError::Kind(other)),
    };
    if reader.at_end() { Ok(answer) } else { Err(ConvertError::LeftOver) }
}

fn put_vote(out: &mut BytesMut, vote: &RaftVote) {
    out.put_u64(vote.leader_id.term);
    out.put_u64(vote.leader_id.voted_for);
    out.put_u8(u8::from(vote.committed));
}

fn put_log_id(out: &mut BytesMut, id: Option<RaftLogId>) {
    match id {
        None => out.put_u8(0),
        Some(id) => {
            out.put_u8(1);
            out.put_u64(id.leader_id.term);
            out.put_u64(id.index);
        }
    }
}

struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    fn versioned(bytes: &'a Bytes) -> Result<Self, ConvertError> {
        let mut reader = Self { bytes, at: 0 };
        match reader.u8()? {
            version::PEER => Ok(reader),
            other => Err(ConvertError::Version(other)),
        }
    }

    fn at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn take(&mut self, length: usize) -> Result<Bytes, ConvertError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(ConvertError::Short)?;
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ConvertError> {
        let taken = self.take(N)?;
        Ok(taken[..].try_into().expect("as many bytes as were taken"))
    }

    fn u8(&mut self) -> Result<u8, ConvertError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, ConvertError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, ConvertError> {
        self.array().map(u64::from_be_bytes)
    }

    fn vote(&mut self) -> Result<RaftVote, ConvertError> {
        let (term, node) = (self.u64()?, self.u64()?);
        match self.u8()? {
            0 => Ok(RaftVote::new(term, node)),
            1 => Ok(RaftVote::new_committed(term, node)),
            other => Err(ConvertError::Kind(other)),
        }
    }

    fn log_id(&mut self) -> Result<Option<RaftLogId>, ConvertError> {
        match self.u8()? {
            0 => Ok(None),
            1 => Ok(Some(RaftLogId::new_term_index(self.u64()?, self.u64()?))),
            other => Err(ConvertError::Kind(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use concordat_proto::{
        command::Command,
        id::{NodeId, WriteId},
        time::LogTime,
    };

    use super::*;

    fn entry(index: u64, payload: &'static [u8]) -> Entry {
        Entry::new(
            RaftLogId::new_term_index(3, index),
            EntryPayload::Normal(Payload(Bytes::from_static(payload))),
        )
    }

    #[test]
    fn append_requests_round_trip() {
        let request = AppendEntriesRequest {
            vote: RaftVote::new_committed(3, 7),
            prev_log_id: Some(RaftLogId::new_term_index(2, 9)),
            leader_commit: None,
            entries: vec![
                entry(10, b"a"),
                entry(11, b""),
                Entry::new(RaftLogId::new_term_index(3, 12), EntryPayload::Blank),
            ],
        };
        let bytes = encode_append(&request);
        let back = decode_append(&bytes).expect("what was encoded");
        assert_eq!(format!("{request:?}"), format!("{back:?}"));
        for length in 0..bytes.len() {
            // No prefix may be taken for something else than it is; a cut between entries is a
            // shorter request, which frames with their checksums rule out.
            drop(decode_append(&bytes.slice(..length)));
        }
    }

    #[test]
    fn an_append_with_a_command_that_cannot_be_read_is_refused() {
        let request = |entries| AppendEntriesRequest {
            vote: RaftVote::new_committed(3, 7),
            prev_log_id: None,
            leader_commit: None,
            entries,
        };
        let blank = Entry::new(RaftLogId::new_term_index(3, 1), EntryPayload::Blank);
        let command = Proposal {
            write_id: WriteId::from_bytes([1; 16]),
            stamped: LogTime(1),
            not_after: LogTime(2),
            origin: NodeId(1),
            idempotency: None,
            authorized_by: None,
            policies: None,
            decided_for: None,
            command: Command::RaiseFeatureLevel { level: 2, known_by: vec![NodeId(1)] },
        };
        let command = Bytes::from(command.encode());
        let payload = |bytes: Bytes| EntryPayload::Normal(Payload(bytes));
        let good = Entry::new(RaftLogId::new_term_index(3, 2), payload(command.clone()));
        assert!(readable(request(vec![blank.clone(), good.clone()])).is_ok());
        for bad in [command.slice(..command.len() - 1), Bytes::from_static(b"\xff")] {
            let bad = Entry::new(RaftLogId::new_term_index(3, 3), payload(bad));
            let refused = readable(request(vec![blank.clone(), good.clone(), bad]));
            assert!(matches!(refused, Err(ConvertError::Wire(_))), "{refused:?}");
        }
    }

    #[test]
    fn append_answers_round_trip() {
        for answer in [
            Ok(None),
            Ok(Some(RaftLogId::new_term_index(1, 2))),
            Err(StreamAppendError::Conflict(RaftLogId::new_term_index(4, 5))),
            Err(StreamAppendError::HigherVote(RaftVote::new(9, 1))),
        ] {
            assert_eq!(decode_append_answer(&encode_append_answer(&answer)), Ok(answer));
        }
    }
}
