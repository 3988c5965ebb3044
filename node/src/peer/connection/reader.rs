//! A connection's reader: parses frames, dispatches them, and monitors the peer's signs of life.
//!
//! It waits only for bytes. Any violation of the protocol ends the connection.

use std::{io, sync::Arc};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, sleep},
};

use super::{
    Connection,
    frame::{Frame, FrameError, Kind},
    serve::Serving,
    streams::{Arrival, StreamFault},
};
use crate::peer::bounds::{DEAD_AFTER, PING_AFTER, READ_BYTES};

/// Why a connection cannot continue.
#[derive(Debug, thiserror::Error)]
pub(in crate::peer) enum ReadFault {
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    #[error("the peer closed it")]
    Closed,
    #[error("the peer is silent")]
    Silent,
    #[error("the peer sent what is no frame")]
    Frame(#[from] FrameError),
    #[error("the peer breaks the rules of streams")]
    Stream(#[from] StreamFault),
    #[error("the peer sent a {0:?} frame that it may not send")]
    Unexpected(Kind),
}

/// Reads until the connection ends.
pub(in crate::peer) async fn read_from(
    mut io: impl AsyncRead + Unpin,
    connection: &Arc<Connection>,
    serving: Option<&Serving>,
) -> Result<(), ReadFault> {
    let mut received = BytesMut::with_capacity(READ_BYTES);
    let mut heard = Instant::now();
    let silence = sleep(PING_AFTER);
    tokio::pin!(silence);
    loop {
        received.reserve(Frame::missing(&received).max(READ_BYTES / 4));
        tokio::select! {
            biased;
            count = io.read_buf(&mut received) => {
                if count? == 0 {
                    return Err(ReadFault::Closed);
                }
                heard = Instant::now();
                while let Some(frame) = Frame::decode(&mut received)? {
                    if connection.is_over() {
                        return Ok(());
                    }
                    dispatch(connection, serving, frame)?;
                }
            }
            () = &mut silence => {
                let silent = heard.elapsed();
                if silent >= DEAD_AFTER {
                    return Err(ReadFault::Silent);
                }
                if silent >= PING_AFTER {
                    connection.send_control(Frame::bare(Kind::Ping, 0));
                    silence.as_mut().reset(Instant::now() + PING_AFTER);
                } else {
                    silence.as_mut().reset(heard + PING_AFTER);
                }
            }
        }
    }
}

fn dispatch(
    connection: &Arc<Connection>,
    serving: Option<&Serving>,
    frame: Frame,
) -> Result<(), ReadFault> {
    let Frame { kind, id, .. } = frame;
    match kind {
        Kind::Request | Kind::Open | Kind::Notice => return ask(connection, serving, frame),
        Kind::Response => {
            if serving.is_some() {
                return Err(ReadFault::Unexpected(kind));
            }
            connection.on_answer(id, Ok(frame.payload));
        }
        Kind::Data => connection.streams(|streams| streams.on_data(id, frame.payload))?,
        Kind::End => connection.streams(|streams| streams.on_last(id, Arrival::End))?,
        Kind::Reset => {
            if !connection.on_request_reset(id, &frame.payload) {
                connection.streams(|streams| streams.on_last(id, Arrival::Reset))?;
            }
        }
        Kind::Stop => connection.streams(|streams| streams.on_stop(id))?,
        Kind::Credit => {
            let granted = frame.granted().and_then(|granted| usize::try_from(granted).ok());
            let granted = granted.ok_or(ReadFault::Unexpected(kind))?;
            connection.streams(|streams| streams.on_credit(id, granted))?;
        }
        Kind::Ping => connection.send_control(Frame::bare(Kind::Pong, 0)),
        Kind::Pong => {}
    }
    Ok(())
}

/// Frames that only the dialing end may send. Some of them need a connection with a name.
fn ask(
    connection: &Arc<Connection>,
    serving: Option<&Serving>,
    frame: Frame,
) -> Result<(), ReadFault> {
    let Frame { kind, id, payload } = frame;
    let serving = serving.ok_or(ReadFault::Unexpected(kind))?;
    match (kind, serving.from()) {
        (Kind::Request, _) => serving.on_request(connection, id, payload),
        (Kind::Open, Some(from)) => serving.on_open(connection, from, id, payload)?,
        (Kind::Notice, Some(from)) => serving.on_notice(from, payload),
        _ => return Err(ReadFault::Unexpected(kind)),
    }
    Ok(())
}
