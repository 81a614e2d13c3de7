//! Whether a table that was there before leaves room for what versions add to it.

use super::{MARKER, Table, Unsuitable, View};

/// The names of the columns of a table that was there before.
#[derive(Debug, Clone, Copy)]
pub struct Own<'o> {
    /// All that are there now.
    pub there: &'o [String],
    /// Those that it had when it was taken over; all of them before that.
    pub before: &'o [String],
    /// Whether the database takes two names for one.
    pub alike: fn(&str, &str) -> bool,
}

impl Own<'_> {
    fn has(&self, names: &[String], name: &str) -> bool {
        names.iter().any(|own| (self.alike)(own, name))
    }
}

impl Table<'_> {
    /// Looks whether the versions show beside their properties what the table does not have, or add a column where it has one of the name
    /// that no property stands for.
    ///
    /// # Errors
    /// The first such column, with the way out.
    pub fn room(&self, own: &Own<'_>) -> Result<(), Unsuitable> {
        let refuse = |message: String, help: String| Err(Unsuitable { message, help });
        let mut carried = self.views.iter().flat_map(|view| &view.carried);
        if let Some(missing) = carried.find(|name| !own.has(own.there, name)) {
            let message = format!("there is no column `{missing}`, which the model carries along");
            return refuse(message, "`carries` names columns of the table".to_owned());
        }
        let taken = |name: &str| own.has(own.there, name) && own.has(own.before, name);
        let needs = |view: &View| view.marked || view.entries.iter().any(|(name, _)| name == MARKER);
        if self.views.iter().any(needs) && taken(MARKER) {
            let message =
                format!("there is a column `{MARKER}`, a name that coeval needs to tell at which version a row is written");
            return refuse(message, "rename it before the table is taken over".to_owned());
        }
        let first = self.history.versions().next().unwrap_or_default();
        if let Some(column) = self.columns.iter().find(|column| column.since > first && taken(&column.name)) {
            let name = &column.name;
            let message = format!("there is a column `{name}` already, which no property stands for");
            let help =
                format!("say `carries: [{name}]` in the model from its first version on, or call the property something else");
            return refuse(message, help);
        }
        Ok(())
    }
}
