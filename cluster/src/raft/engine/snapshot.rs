//! Snapshots in transit: read from the live state and streamed in checksummed chunks, received into
//! the group's spare slot, passed to the library only when complete.
//!
//! The state that is sent is that of the moment of sending, with its position and membership, all
//! read under one store snapshot. It may be newer than the library asked for, never older: applied
//! entries are committed.

use std::sync::Arc;

use bytes::Bytes;
use concordat_proto::{
    id::{GroupId, NodeId},
    record::AppliedRecord,
    wire::{Wire, peer::StreamHead, snapshot::Chunk},
};
use openraft::raft::SnapshotResponse;

use crate::{
    raft::{
        blocking,
        engine::{
            applied::{meta_of, read_applied},
            convert,
            raft::Raft,
            staging::SCAN_PAIRS,
            types::{RaftTypes, RaftVote, Snapshot, SnapshotData},
        },
        planted,
        transport::{Channel, FrameReceiver, FrameStream, PeerTransport, TransportError},
    },
    store::{Pair, Reader, Store, StoreError, keys, shadow::ShadowStore},
};

/// Bytes of records after which a chunk is sent.
const CHUNK_BYTES: usize = 256 * 1024;

/// Why a snapshot did not arrive. The library tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("snapshot: transport")]
    Transport(#[from] TransportError),
    #[error("snapshot: the receiver gave no answer")]
    NoAnswer,
    #[error("snapshot: {0}")]
    Malformed(String),
    #[error("snapshot: store")]
    Store(#[from] StoreError),
    #[error("snapshot: the replica has stopped")]
    Stopped,
    #[error("snapshot: one is being received already")]
    Busy,
}

/// Sends the group's state to a peer and returns its answer.
pub(crate) async fn send(
    group: GroupId,
    (transport, store): (&Arc<dyn PeerTransport>, &Arc<ShadowStore>),
    target: NodeId,
    vote: RaftVote,
) -> Result<SnapshotResponse<RaftTypes>, SnapshotError> {
    let head = StreamHead::Snapshot { group, body: convert::encode(&vote).to_vec() };
    let head = Bytes::from(head.encode());
    let FrameStream { tx, mut rx } = transport.open(target, Channel::Bulk, head).await?;
    let sending = blocking::pieces(Arc::clone(store), tx, move |store, send| {
        store.read_snapshot(&mut |reader| stream_group(reader, group, send))
    });
    // Sent while the answer is awaited; aborted as soon as there is one.
    let sending = tokio::spawn(sending);
    let answer = rx.recv().await.ok_or(SnapshotError::NoAnswer)??;
    let sent = sending.await.map_err(|error| SnapshotError::Malformed(error.to_string()))?;
    sent.map_err(|error| SnapshotError::Malformed(error.to_string()))??;
    convert::decode(&answer).map_err(|error| SnapshotError::Malformed(error.to_string()))
}

/// Reads the whole group in order of key and sends it, chunk by chunk. Blocks.
fn stream_group(
    reader: &dyn Reader,
    group: GroupId,
    send: &mut dyn FnMut(Bytes) -> bool,
) -> Result<(), StoreError> {
    let prefix = keys::group_prefix(group);
    let mut chunks = Chunks::default();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let pairs = reader.scan(&prefix, after.as_deref(), SCAN_PAIRS)?;
        let last = pairs.len() < SCAN_PAIRS;
        after = pairs.last().map(|(key, _)| key.clone());
        let pairs = pairs.into_iter();
        let pairs = pairs.filter(|(key, _)| planted::is_in_snapshot(key, after.as_ref(), last));
        for pair in pairs {
            if let Some(chunk) = chunks.push(pair)
                && !send(chunk)
            {
                return Ok(()); // The receiver has gone; its answer, or none, says so.
            }
        }
        if last {
            send(chunks.finish());
            return Ok(());
        }
    }
}

/// Collects records into chunks with running numbers and checksums.
#[derive(Debug, Default)]
struct Chunks {
    pairs: Vec<Pair>,
    bytes: usize,
    sequence: u64,
    chain: u32,
}

impl Chunks {
    fn push(&mut self, pair: Pair) -> Option<Bytes> {
        self.bytes += pair.0.len() + pair.1.len();
        self.pairs.push(pair);
        (self.bytes >= CHUNK_BYTES).then(|| self.chunk(false))
    }

    fn finish(&mut self) -> Bytes {
        self.chunk(true)
    }

    fn chunk(&mut self, last: bool) -> Bytes {
        let pairs = std::mem::take(&mut self.pairs);
        let (bytes, chain) =
            Chunk { sequence: self.sequence, pairs, last }.encode_after(self.chain);
        self.bytes = 0;
        self.sequence += 1;
        self.chain = chain;
        Bytes::from(bytes)
    }
}

/// Receives a snapshot into the spare slot, installs it, and answers on `stream`.
pub(crate) async fn receive(
    raft: &Raft,
    store: &Arc<ShadowStore>,
    group: GroupId,
    vote: RaftVote,
    stream: FrameStream,
) -> Result<(), SnapshotError> {
    store.clear_shadow(group)?;
    let received = receive_and_install((raft, store), group, vote, stream).await;
    // The replica answers after the swap, or has refused it: what came in part, or for nothing, would stay
    // until the next snapshot. One that stops may swap yet; then the next start clears what is left.
    let is_left = match &received {
        Ok(()) => store.get_shadow(group, &keys::applied(group))?.is_some(),
        Err(error) => !matches!(error, SnapshotError::Stopped),
    };
    if crate::planted::on_spare_left(is_left) {
        store.clear_shadow(group)?;
    }
    received
}

async fn receive_and_install(
    (raft, store): (&Raft, &Arc<ShadowStore>),
    group: GroupId,
    vote: RaftVote,
    stream: FrameStream,
) -> Result<(), SnapshotError> {
    let FrameStream { tx, mut rx } = stream;
    receive_chunks(store, group, &mut rx).await?;
    let staged = store.get_shadow(group, &keys::applied(group))?;
    let staged = staged.ok_or_else(|| SnapshotError::Malformed("no position in it".into()))?;
    let record = AppliedRecord::decode(&staged)
        .map_err(|error| SnapshotError::Malformed(error.to_string()))?;
    // The sender may have been deposed, and have applied entries of its successor, between opening
    // the stream and reading its state: such a snapshot is not the one this vote vouches for.
    if record.log_id.is_none_or(|id| id.term.0 > vote.leader_id.term) {
        return Err(SnapshotError::Malformed("it is newer than its sender's lead".into()));
    }
    let meta = meta_of(&record).map_err(|error| SnapshotError::Malformed(error.to_string()))?;
    let here = read_applied(&**store, group)
        .map_err(|error| SnapshotError::Malformed(error.to_string()))?;
    tracing::info!(%group, at = ?record.log_id, from = ?here.log_id, "installing a snapshot");
    let snapshot = Snapshot { meta, snapshot: SnapshotData::Staged };
    let response = raft.install_full_snapshot(vote, snapshot).await;
    let response = response.map_err(|_| SnapshotError::Stopped)?;
    drop(tx.send(convert::encode(&response)).await);
    Ok(())
}

async fn receive_chunks(
    store: &Arc<ShadowStore>,
    group: GroupId,
    rx: &mut FrameReceiver,
) -> Result<(), SnapshotError> {
    let (mut sequence, mut chain) = (0, 0);
    loop {
        let frame = rx.recv().await.ok_or(TransportError::Lost)??;
        let (chunk, next) = Chunk::decode_after(&frame, chain)
            .map_err(|error| SnapshotError::Malformed(error.to_string()))?;
        if chunk.sequence != sequence {
            return Err(SnapshotError::Malformed("a chunk is missing".into()));
        }
        let last = chunk.last;
        store.write_shadow(group, chunk.pairs)?;
        if last {
            return Ok(());
        }
        sequence += 1;
        chain = next;
    }
}
