//! One file a noun; each turns arguments into calls and answers into something shown.

mod credential;
mod options;
mod org;
mod status;
mod write;

use concordat_client::Client;

use crate::{
    args::{Args, Noun},
    failure::Failure,
    print::Shown,
};

/// Runs the command.
pub(crate) async fn run(client: &Client, args: Args) -> Result<Shown, Failure> {
    match args.noun {
        Noun::Status => status::show(client).await,
        Noun::Credential(verb) => credential::run(client, *verb).await,
        Noun::Write(verb) => write::run(client, verb, args.global.timeout).await,
        Noun::Org(verb) => org::run(client, verb).await,
    }
}
