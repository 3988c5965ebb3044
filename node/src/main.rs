//! `concordatd`: reads its command line, runs, and says how it ended.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use concordat_node::cli::Cli;

fn main() -> ExitCode {
    match Cli::read().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without standard error there is nobody to tell.
            drop(writeln!(io::stderr(), "concordatd: {}", failure.chain()));
            failure.exit_code()
        }
    }
}
