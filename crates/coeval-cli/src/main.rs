//! The command `coeval`: evolves the schema and the data of an application.
//!
//! The only place that prints, asks, exits, or reads the environment, the clock and the disk.

mod args;
mod atomic;
mod cache;
mod command;
mod era;
mod error;
mod infer;
mod progress;
mod record;
mod store;
mod ui;
mod version;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    // A fault of coeval is told as one, without a trace that only its authors could read.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
        let fault = coeval_manifest::Diagnostic::error("internal", format!("this is a fault of coeval{place}"));
        let fault = fault.help("please report it with what you did; files that were being written are as before");
        let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), fault.render(false).as_bytes());
    }));
    let code = std::panic::catch_unwind(|| command::run(&arguments)).unwrap_or(error::Kind::Failed.code());
    ExitCode::from(code)
}
