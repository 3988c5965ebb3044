//! `concordatd`: parses its command line, runs it, and reports the result.

use std::process::ExitCode;

use concordat_node::{cli::Cli, observe::log::last_words};
use mimalloc::MiMalloc;

/// Of a write's processor time a fifth was the C library's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match Cli::read().run() {
        Ok(()) => {
            last_words("");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            last_words(&format!("concordatd: {}\n", failure.chain()));
            failure.exit_code()
        }
    }
}
