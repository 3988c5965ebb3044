//! `concordat`: the command line. Arguments come in, text or JSON goes out, and the exit code tells
//! ends apart: 0 done, 1 output failed, 2 usage, 3 refused, 4 unavailable, 5 not reached in time, 6
//! outcome unknown.

mod args;
mod command;
mod config;
mod failure;
mod print;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use crate::{
    args::{Args, Output},
    failure::Failure,
};

fn main() -> ExitCode {
    let args = Args::parse();
    let output = args.global.output;
    let end = run(args).and_then(|shown| write_out(&shown.render(output), shown.note.as_deref()));
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => end_with(&failure, output),
    }
}

fn run(args: Args) -> Result<print::Shown, Failure> {
    let client = config::client(&args.global)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(command::run(&client, args))
}

fn end_with(failure: &Failure, output: Output) -> ExitCode {
    // Nothing is left to be done about an output that cannot be written.
    let receipt = failure.receipt().map(|receipt| print::receipt(receipt).render(output));
    let _ = write_out(&receipt.unwrap_or_default(), Some(&failure.render(output)));
    ExitCode::from(failure.exit_code())
}

fn write_out(text: &str, note: Option<&str>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    if let Some(note) = note {
        writeln!(io::stderr().lock(), "{note}")?;
    }
    Ok(())
}
