//! `concordat`: the command line. Arguments in, text or JSON out. Exit codes: 0 done, 1 output
//! failed, 2 usage, 3 refused, 4 unavailable, 5 not reached in time, 6 outcome unknown, 7 the
//! cluster is degraded, 128 and the signal's number when interrupted.

mod args;
mod command;
mod config;
mod environment;
mod failure;
mod invocation;
mod policy_args;
mod print;
mod resource_args;
mod signals;
mod values;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::{
    args::{Args, Output},
    failure::Failure,
    invocation::{Course, Invocation},
    print::Shown,
};

fn main() -> ExitCode {
    let invocation = Invocation::new(std::env::args_os());
    let args = match invocation.parse() {
        Ok(args) => args,
        Err(error) => return end_with_usage(&error, invocation.output()),
    };
    let output = args.global.output;
    let course = Course::of(&args);
    match run(args, &course).and_then(|shown| show(&shown, output, &course)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => end_with(&failure, output, &invocation),
    }
}

fn run(args: Args, course: &Course) -> Result<Shown, Failure> {
    if args.global.idempotency_key.is_some() && course.key_of_write().is_none() {
        return Err(Failure::usage("this command makes no write that has an idempotency key"));
    }
    let client = config::client(&args.global)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            // First, so that a signal ends the process as usual while a secret is typed in.
            biased;
            end = command::run(&client, args, course) => end,
            signal = signals::caught() => Err(Failure::interrupted(signal?, course)),
        }
    })
}

/// Writes an answer out. One that cannot be written may be of a write that was done.
fn show(shown: &Shown, output: Output, course: &Course) -> Result<u8, Failure> {
    let lost = |error| Failure::not_shown(error, shown, course);
    write_out(&shown.render(output)).map_err(lost)?;
    if let Some(note) = &shown.note {
        write_note(note);
    }
    Ok(shown.exit_code)
}

fn end_with(failure: &Failure, output: Output, invocation: &Invocation) -> ExitCode {
    // The failure goes to standard error, whether or not the receipt could be written.
    let receipt = failure.receipt().map(|receipt| print::receipt(receipt).render(output));
    let written = write_out(&receipt.unwrap_or_default());
    write_note(&failure.render(output, invocation));
    if let Err(error) = written {
        write_note(&Failure::Io(error).render(output, invocation));
    }
    ExitCode::from(failure.exit_code())
}

/// Arguments that are not understood, in the form that was asked for; or help.
fn end_with_usage(error: &clap::Error, output: Output) -> ExitCode {
    let text = error.render();
    if !error.use_stderr() {
        let written = write_out(&text.to_string());
        return if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match output {
        Output::Table => write_note(text.to_string().trim_end()),
        Output::Json => write_note(&failure::usage_json(&text.to_string())),
    }
    ExitCode::from(failure::USAGE)
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Nothing is left to be done about a note that cannot be written.
fn write_note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
