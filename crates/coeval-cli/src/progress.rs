//! How far a long command got, for a person who waits.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Counts records on a terminal; silent elsewhere.
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Begins. Where records go to the same terminal, nothing is shown between them.
    pub(crate) fn start(to_stdout: bool) -> Self {
        let shown = std::io::stderr().is_terminal() && !(to_stdout && std::io::stdout().is_terminal());
        Self(shown.then(|| {
            let style = ProgressStyle::with_template("{spinner} {human_pos} records  {per_sec}  {elapsed}");
            let bar = ProgressBar::new_spinner();
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        }))
    }

    /// Counts a record.
    pub(crate) fn record(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }

    /// Makes room for a message.
    pub(crate) fn hide<T>(&self, tell: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(tell),
            None => tell(),
        }
    }

    /// Ends; the line disappears.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
