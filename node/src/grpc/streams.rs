//! Responses of many messages: bounded in number, ended when the node stops. What a stream holds is dropped
//! when its caller goes.

use std::{convert::Infallible, future::Future, sync::Arc};

use bytes::Bytes;
use concordat_proto::limits;
use futures::stream;
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Either, StreamBody};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    frame,
    media::Form,
    reply::{self, Status},
};
use crate::dialect::traits::ResponseBody;

/// The streams of a node.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Default for Streams {
    fn default() -> Self {
        let places = Arc::new(Semaphore::new(limits::CALL_STREAMS_MAX));
        Self { places, stop: CancellationToken::new() }
    }
}

impl Streams {
    /// A place for one more; none when all are taken.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Ends all, now and later ones.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// When they must end.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

/// What comes next on a stream.
pub(crate) enum Step<S> {
    /// A message, and the state after it.
    Message(Vec<u8>, S),
    /// The end.
    End(Status),
}

/// A response whose messages come by these steps.
pub(crate) fn response<S, F>(
    form: Form,
    place: OwnedSemaphorePermit,
    state: S,
    step: impl Fn(S) -> F + Send + 'static,
) -> Response<ResponseBody>
where
    S: Send + 'static,
    F: Future<Output = Step<S>> + Send + 'static,
{
    let frames = stream::unfold(Some((state, place)), move |state| {
        let next = state.map(|(state, place)| (step(state), place));
        async move {
            let (next, place) = next?;
            Some(match next.await {
                Step::Message(message, state) => {
                    let bytes = reply::encoded(form, frame::of_message(&message));
                    (Ok::<_, Infallible>(Frame::data(bytes)), Some((state, place)))
                }
                Step::End(status) => (Ok(last(form, &status)), None),
            })
        }
    });
    let body = StreamBody::new(frames).boxed_unsync();
    reply::with_head(form, HeaderMap::new(), Either::Right(body))
}

fn last(form: Form, status: &Status) -> Frame<Bytes> {
    let trailers = status.trailers();
    match form {
        Form::Grpc => Frame::trailers(trailers),
        Form::Web | Form::WebText => {
            Frame::data(reply::encoded(form, frame::of_trailers(&trailers)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    fn counted(form: Form, streams: &Streams, to: u8) -> Response<ResponseBody> {
        let place = streams.place().expect("a place");
        response(form, place, 0, move |count: u8| {
            ready(match count {
                count if count < to => Step::Message(vec![count], count + 1),
                _ => Step::End(Status::ok()),
            })
        })
    }

    #[tokio::test]
    async fn messages_come_one_by_one_and_then_the_status() {
        let streams = Streams::default();
        let body = counted(Form::Grpc, &streams, 2).into_body().collect().await.expect("a body");
        assert_eq!(body.trailers().expect("trailers")["grpc-status"], "0");
        assert_eq!(body.to_bytes(), &b"\0\0\0\0\x01\x00\0\0\0\0\x01\x01"[..]);
        let body = counted(Form::Web, &streams, 1).into_body().collect().await.expect("a body");
        assert!(body.trailers().is_none());
        assert!(body.to_bytes().ends_with(b"grpc-status: 0\r\n"));
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let streams = Streams::default();
        let all: Vec<_> = (0..limits::CALL_STREAMS_MAX).map(|_| streams.place()).collect();
        assert!(all.iter().all(Option::is_some) && streams.place().is_none());
        drop(all);
        drop(counted(Form::Grpc, &streams, 1));
        assert!((0..limits::CALL_STREAMS_MAX).all(|_| streams.place().is_some()));
    }
}
