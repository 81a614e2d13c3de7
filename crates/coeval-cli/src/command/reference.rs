//! The reference of the command line in Markdown, from what the parser knows.

use std::fmt::Write as _;

use clap::{Arg, Command};

/// Returns the page.
pub(super) fn markdown(command: &Command) -> String {
    let mut out = String::from("# The command line\n\n");
    // Writing to a string cannot fail.
    let _ = writeln!(out, "Written by `coeval man --markdown`; do not edit.\n");
    if let Some(about) = command.get_about() {
        let _ = writeln!(out, "{about}\n");
    }
    if let Some(after) = command.get_after_help() {
        let _ = writeln!(out, "{}\n", after.to_string().replace('\n', "  \n"));
    }
    let _ = writeln!(out, "Options of every command:\n");
    arguments(command, true, &mut out);
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        section(sub, &mut out);
    }
    out
}

fn section(command: &Command, out: &mut String) {
    let _ = writeln!(out, "\n## coeval {}\n", command.get_name());
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        let _ = writeln!(out, "{about}\n");
    }
    let usage = command.clone().render_usage().to_string();
    let _ = writeln!(out, "    {}\n", usage.trim_start_matches("Usage: ").trim());
    arguments(command, false, out);
}

fn arguments(command: &Command, global: bool, out: &mut String) {
    let shown = |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let positional = command.get_positionals().filter(shown);
    let options =
        command.get_opts().chain(command.get_arguments().filter(|arg| !arg.is_positional() && !arg.get_action().takes_values()));
    for arg in positional.chain(options.filter(shown)).filter(|arg| arg.is_global_set() == global) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let choices: Vec<String> = arg.get_possible_values().iter().map(|v| format!("`{}`", v.get_name())).collect();
        let choices = if choices.is_empty() || !arg.get_action().takes_values() {
            String::new()
        } else {
            format!(" ({})", choices.join(", "))
        };
        let default: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
        let default = if default.is_empty() || !arg.get_action().takes_values() {
            String::new()
        } else {
            format!(" [default: {}]", default.join(" "))
        };
        let _ = writeln!(out, "- `{arg}`: {help}{choices}{default}");
    }
}
