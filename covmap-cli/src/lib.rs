//! The `covmap` command as a function: the binary and the Python wheel call the same [`run`].

/// `println!` that does not mind a reader who has left (`covmap model inspect | head`).
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod analyze;
mod annotate;
mod args;
mod compare;
mod evaluate;
mod index;
mod inputs;
mod model;
mod output;
mod phantom;
mod results;
mod selftest;

use std::ffi::OsString;

use clap::Parser;
use covmap_core::{Error, ErrorKind};

use args::{Arguments, Command};

pub use results::Results;

/// All inputs were analysed.
pub const OK: u8 = 0;
/// Some inputs failed.
pub const SOME_FAILED: u8 = 1;
/// The command itself was wrong.
pub const USAGE: u8 = 2;

/// Runs the command and returns its exit status; `args` starts with the program's name.
pub fn run<I, T>(args: I) -> u8
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let arguments = match Arguments::try_parse_from(args) {
        Ok(a) => a,
        Err(e) => {
            // Help and version are answers, not errors. A closed standard output is nobody's fault.
            let _ = e.print();
            return if e.use_stderr() { USAGE } else { OK };
        }
    };
    let result = match arguments.command {
        Command::Analyze(a) => analyze::run(&a),
        Command::Annotate(a) => annotate::run(&a),
        Command::Compare(a) => compare::run(&a),
        Command::Evaluate(a) => evaluate::run(&a),
        Command::Model(a) => model::run(&a),
        Command::Phantom(a) => phantom::run(&a),
        Command::Selftest(a) => selftest::run(&a),
    };
    result.unwrap_or_else(|e| {
        eprintln!("covmap: {e}");
        match e.kind() {
            ErrorKind::Parameter | ErrorKind::Model => USAGE,
            _ => SOME_FAILED,
        }
    })
}

/// A mistake in how the command was called.
fn usage(text: impl Into<String>) -> Error {
    Error::Parameter(text.into())
}

/// A file named by an option that cannot be read is such a mistake, not a failed input.
fn wrong_argument(error: Error) -> Error {
    match error {
        Error::Io { .. } | Error::LimitsExceeded(_) => usage(error.to_string()),
        other => other,
    }
}
