//! Any request, ill-formed or not, over a connection of its own. It never repeats one.

use std::{io, time::Duration};

use tokio::time::timeout;

pub use crate::message::{Request, Response};
use crate::{connection::Connection, document};

/// For an answer: longer than the longest consistency timeout that a test asks for.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

impl Request {
    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// When there is no answer, or none that is understood.
    pub async fn try_send(&self, url: &str) -> io::Result<Response> {
        exchange(url, &self.to_bytes(), self.method() == "HEAD").await
    }

    /// Sends it and reads the whole answer, which must be one that the API's document describes.
    ///
    /// # Panics
    /// When there is no answer, or none that is understood, or another one.
    pub async fn send(&self, url: &str) -> Response {
        match self.try_send(url).await {
            Ok(response) => {
                if let Err(why) = document::check(self, &response) {
                    panic!("{self:?}: not as docs/openapi.json has it: {why}: {response:?}");
                }
                response
            }
            Err(error) => panic!("{self:?} to {url}: {error}"),
        }
    }
}

/// Sends any bytes and reads an answer.
///
/// # Errors
/// When there is no answer, or none that is understood.
pub async fn exchange(url: &str, bytes: &[u8], headless: bool) -> io::Result<Response> {
    let work = async {
        let mut connection = Connection::open(url).await?;
        Response::of(connection.exchange_early(bytes, headless).await?)
    };
    match timeout(ANSWER_LIMIT, work).await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within a minute")),
    }
}
