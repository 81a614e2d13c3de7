//! Runs what happens to a record through the public write path, and checks the laws after each event.
//!
//! Beside the stored document, which is written out as text and read back after every event, runs what it is compared with: the
//! total state that the rules give and that is never compressed (L16, and every read), a twin that is never migrated by hand
//! (L5), and the same record under another cut of the same operations (L10).

use std::fmt;

use coeval_core::history::{History, Scope};
use coeval_core::lens::{Refused, State, Stored};
use coeval_core::patch::Patch;
use coeval_core::value::Value;

use super::flow;
use super::patch::{Write, check_move, merged_record};
use super::retire::Retired;
use super::scenario::{Event, Scenario};
use super::view::{alike, is_broken, reread, show, text};

/// A law that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The law, or `PANIC` or `FOLD`.
    pub law: &'static str,
    /// What was seen.
    pub message: String,
}

impl Failure {
    /// Names the law and what was seen.
    pub fn new(law: &'static str, message: impl Into<String>) -> Self {
        Self { law, message: message.into() }
    }

    pub(super) fn fail<T>(law: &'static str, message: impl Into<String>) -> Result<T, Self> {
        Err(Self::new(law, message))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.message)
    }
}

fn fail<T>(law: &'static str, message: impl Into<String>) -> Result<T, Failure> {
    Failure::fail(law, message)
}

/// Whether an event took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Done,
    /// It was refused, or there was nothing to do.
    Refused,
}

/// A record under way.
#[derive(Debug)]
pub struct Runner {
    history: History,
    fused: Option<History>,
    newest: u32,
    record: Option<Record>,
    retired: Retired,
    /// Reads, and how many of them were quarantined.
    pub reads: (u64, u64),
}

#[derive(Debug, Clone)]
struct Record {
    stored: Stored,
    twin: Stored,
    fused: Option<Stored>,
    /// The state by the rules.
    state: State,
    /// The state when the document was last written by coeval; several edits from outside are one edit of it.
    base: State,
}

/// Runs a scenario.
///
/// # Errors
/// The law that does not hold; `Ok(false)` where the history does not fold.
pub fn replay(scenario: &Scenario) -> Result<bool, Failure> {
    let (Ok(history), Ok(fused)) = (scenario.history(), scenario.fused()) else { return Ok(false) };
    let mut runner = Runner::new(history, fused, scenario.newest());
    if scenario.events.iter().any(|event| matches!(event, Event::Retire { .. })) {
        runner.may_retire(scenario.history().map_err(|fault| Failure::new("FOLD", fault.to_string()))?);
    }
    for event in &scenario.events {
        runner.step(event)?;
    }
    Ok(true)
}

impl Runner {
    /// Starts without a record; `fused` is the same history with fewer cuts.
    pub fn new(history: History, fused: Option<History>, newest: u32) -> Self {
        Self { history, fused, newest, record: None, retired: Retired::default(), reads: (0, 0) }
    }

    /// Gives the same history once more, for versions to retire.
    pub fn may_retire(&mut self, again: History) {
        self.retired = Retired::new(again);
    }

    /// Returns the history.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Returns whether there is a record.
    pub fn is_alive(&self) -> bool {
        self.record.is_some()
    }

    /// Returns the stored document.
    pub fn stored(&self) -> Option<&Stored> {
        self.record.as_ref().map(|record| &record.stored)
    }

    /// Returns how many values are kept beside the document.
    pub fn kept(&self) -> u64 {
        self.stored().map_or(0, |stored| stored.keep.entries.len() as u64)
    }

    /// Returns what a version shows.
    pub fn read(&self, version: u32) -> Option<Value> {
        self.history.read(&self.record.as_ref()?.stored, version).ok()
    }

    /// Lets an event happen, and checks the laws.
    ///
    /// # Errors
    /// The law that does not hold.
    pub fn step(&mut self, event: &Event) -> Result<Verdict, Failure> {
        if let Event::Retire { before } = event {
            return self.retire(*before);
        }
        if self.retired.refuses(event, self.stored())? {
            return Ok(Verdict::Refused);
        }
        let before = self.record.as_ref().filter(|_| self.retired.is_under_way()).map(|record| record.stored.clone());
        let verdict = self.happen(event)?;
        if verdict == Verdict::Done {
            self.check()?;
        }
        let after = self.record.as_ref().map(|record| &record.stored);
        self.retired.follow(event, &self.history, before.as_ref(), after)?;
        Ok(verdict)
    }

    fn retire(&mut self, before: u32) -> Result<Verdict, Failure> {
        let Some(record) = &self.record else { return Ok(Verdict::Refused) };
        let Some(to) = self.retired.begin(before, &self.history, &record.stored)? else { return Ok(Verdict::Refused) };
        // All of them lie there, and were written now: of several edits from outside none is the first one's continuation.
        self.step(&Event::Migrate { to })
    }

    fn happen(&mut self, event: &Event) -> Result<Verdict, Failure> {
        Ok(match event {
            Event::Create { at, document } => self.create(*at, document)?,
            Event::Put { at, document } => self.put(*at, document, Write::Put)?,
            Event::Merge { at, patch } => self.merge(*at, patch)?,
            Event::Patch { at, patch } => self.patch(*at, patch)?,
            Event::Same { at } => self.same(*at)?,
            Event::Migrate { to } => self.migrate(*to)?,
            Event::Round { route } => self.round(route)?,
            Event::Outside { document } => self.outside(document)?,
            Event::Retire { .. } => Verdict::Refused,
        })
    }

    fn create(&mut self, at: u32, document: &Value) -> Result<Verdict, Failure> {
        let created = self.history.create(at, document.clone());
        let fused = self.fused.as_ref().map(|fused| fused.create(at, document.clone()));
        if let Some(fused) = &fused
            && fused.is_ok() != created.is_ok()
        {
            return fail("L10", format!("create at {at}: {created:?}, with the other cut {fused:?}"));
        }
        let stored = match created {
            Ok(stored) => stored,
            Err(refused) => return refusal("L6", "create", &refused),
        };
        let again = self.history.create(at, document.clone()).map(|stored| text(&stored));
        if again.as_ref() != Ok(&text(&stored)) {
            return fail("L8", format!("created again: {again:?}, at first {}", text(&stored)));
        }
        let mut normal = document.clone();
        self.history.normalise(at, &mut normal);
        let read = self.history.read(&stored, at);
        if !read.as_ref().is_ok_and(|read| read.identical(&normal)) {
            return fail("L2", format!("created at {at} as {normal}, read {read:?}"));
        }
        let state = self.history.born(at, &normal).map_err(|e| Failure::new("L6", e.to_string()))?;
        let fused = fused.and_then(Result::ok);
        self.record = Some(Record { twin: stored.clone(), fused, state: state.clone(), base: state, stored });
        Ok(Verdict::Done)
    }

    fn merge(&mut self, at: u32, patch: &Value) -> Result<Verdict, Failure> {
        let Some(record) = &self.record else { return Ok(Verdict::Refused) };
        let done = self.history.merge_patch(&record.stored, at, patch);
        let (Ok(current), Some(model)) = (self.history.read(&record.stored, at), self.history.model(at)) else {
            return nothing_to_patch(&done);
        };
        match merged_record(&current, patch, &model.properties) {
            Some(document) => self.put(at, &document, Write::Merge(patch)),
            None => match done {
                Err(Refused::Patch(_)) => Ok(Verdict::Refused),
                other => fail("L13", format!("{patch} at {at} could mean null or absence, and gives {other:?}")),
            },
        }
    }

    fn patch(&mut self, at: u32, patch: &Patch) -> Result<Verdict, Failure> {
        let Some(record) = &self.record else { return Ok(Verdict::Refused) };
        let done = self.history.json_patch(&record.stored, at, patch);
        let Ok(mut document) = self.history.read(&record.stored, at) else { return nothing_to_patch(&done) };
        match patch.apply(&mut document) {
            Ok(()) => self.put(at, &document, Write::Json(patch)),
            Err(_) if matches!(done, Err(Refused::Patch(_))) => Ok(Verdict::Refused),
            Err(error) => fail("L2", format!("{} does not apply ({error}) and gives {done:?}", patch.to_value())),
        }
    }

    fn put(&mut self, at: u32, document: &Value, write: Write<'_>) -> Result<Verdict, Failure> {
        let Some(record) = &self.record else { return Ok(Verdict::Refused) };
        let done = write.perform(&self.history, &record.stored, at, document);
        let twin = write.perform(&self.history, &record.twin, at, document);
        if outcome(&done) != outcome(&twin) {
            return fail("L5", format!("put at {at}: {done:?}, where it was never migrated {twin:?}"));
        }
        let fused = match (&self.fused, &record.fused) {
            (Some(history), Some(stored)) => {
                let fused = write.perform(history, stored, at, document);
                if outcome(&done) != outcome(&fused) {
                    return fail("L10", format!("put at {at}: {done:?}, with the other cut {fused:?}"));
                }
                fused.ok().flatten()
            }
            _ => None,
        };
        let error = |e: Refused| Failure::new("L6", e.to_string());
        let mut written = self.history.written(&record.state, at, document).map_err(error)?;
        if let (Write::Json(_), Ok(done)) = (write, &done)
            && flow::has_lists(self.history.scope())
        {
            // The indices of the patch say which item is which, and the document does not.
            written = done.as_ref().map(|stored| self.history.state(stored)).transpose().map_err(error)?;
        }
        let stored = match done {
            Ok(Some(stored)) => stored,
            Ok(None) if written.is_none() => return Ok(Verdict::Refused),
            Ok(None) => return fail("L2", format!("the write of {document} at {at} was taken for one that changes nothing")),
            Err(refused) => return refusal("L6", "put", &refused),
        };
        let Some(state) = written else {
            return fail("L4", format!("the write of {document} at {at} changed {}", text(&stored)));
        };
        let read = self.history.read(&stored, at);
        if read.as_ref() != Ok(document) {
            return fail("L2", format!("written at {at}: {document}, read {read:?}"));
        }
        let t = self.history.moment(at).unwrap_or_default();
        flow::check(self.history.scope(), t, &record.state, &state, &Value::Null, &Value::Null)?;
        if let Write::Json(patch) = write {
            check_move(self.history.scope(), t, patch, &record.state, &state)?;
        }
        let twin = twin.ok().flatten().unwrap_or_else(|| stored.clone());
        self.record = Some(Record { stored, twin, fused, base: state.clone(), state });
        Ok(Verdict::Done)
    }

    fn same(&mut self, at: u32) -> Result<Verdict, Failure> {
        let Some(record) = &mut self.record else { return Ok(Verdict::Refused) };
        let Ok(current) = self.history.read(&record.stored, at) else { return Ok(Verdict::Refused) };
        match self.history.put(&record.stored, at, &current) {
            Ok(None) => {}
            other => return fail("L4", format!("what was read at {at} is written back: {current} gives {other:?}")),
        }
        // Stamping the document anew is no change either.
        if let Ok(stored) = self.history.migrate(&record.stored, record.stored.version) {
            if !stored.document.identical(&self.history.read(&record.stored, stored.version).unwrap_or(Value::Null)) {
                return fail("L4", format!("stamped anew: {}", text(&stored)));
            }
            record.stored = stored;
            record.base = record.state.clone();
            stamp(self.fused.as_ref(), record);
        }
        Ok(Verdict::Done)
    }

    fn migrate(&mut self, to: u32) -> Result<Verdict, Failure> {
        let Some(record) = &mut self.record else { return Ok(Verdict::Refused) };
        let moved = self.history.migrate(&record.stored, to);
        if let (Some(history), Some(stored)) = (&self.fused, &mut record.fused) {
            let fused = history.migrate(stored, to);
            if fused.is_ok() != moved.is_ok() {
                return fail("L10", format!("migrate to {to}: {moved:?}, with the other cut {fused:?}"));
            }
            if let Ok(moved) = fused {
                *stored = moved;
            }
        }
        match moved {
            Ok(moved) if moved.version == to => {
                record.stored = moved;
                record.base = record.state.clone();
                Ok(Verdict::Done)
            }
            Ok(moved) => fail("L1", format!("migrated to {to}, it lies at {}", moved.version)),
            Err(Refused::Quarantined { .. }) => {
                let readable = |version| self.history.read(&record.stored, version).is_ok();
                if readable(to) && readable(record.stored.version) {
                    return fail("L6", format!("it can be read at {to} and where it lies, and not migrated"));
                }
                Ok(Verdict::Refused)
            }
            Err(other) => fail("L6", format!("migrate to {to}: {other}")),
        }
    }

    fn round(&mut self, route: &[u32]) -> Result<Verdict, Failure> {
        let Some(record) = &mut self.record else { return Ok(Verdict::Refused) };
        let home = record.stored.version;
        let Ok(start) = self.history.migrate(&record.stored, home) else { return Ok(Verdict::Refused) };
        let mut there = start.clone();
        for version in route {
            if let Ok(moved) = self.history.migrate(&there, *version) {
                there = reread(&moved)?;
            }
        }
        match self.history.migrate(&there, home) {
            Ok(back) if text(&back) == text(&start) => {}
            back => {
                let back = back.map_or_else(|e| e.to_string(), |back| text(&back));
                return fail("L1", format!("by {route:?}: {back}\n  instead of {}\n  by way of {}", text(&start), text(&there)));
            }
        }
        record.stored = start;
        record.base = record.state.clone();
        stamp(self.fused.as_ref(), record);
        Ok(Verdict::Done)
    }

    fn outside(&mut self, document: &Value) -> Result<Verdict, Failure> {
        let Some(record) = &mut self.record else { return Ok(Verdict::Refused) };
        let error = |e: Refused| Failure::new("L6", e.to_string());
        let at = record.stored.version;
        let expected = self.history.written(&record.base, at, document).map_err(error)?.unwrap_or_else(|| record.base.clone());
        let stored = reread(&self.history.edit_outside(&record.stored, document.clone()))?;
        let state = self.history.state(&stored).map_err(error)?;
        let t = self.history.moment(at).unwrap_or_default();
        if !flow::loses_items(self.history.scope(), t, &record.base, &expected) && !state.same(&expected) {
            let which = difference(self.history.scope(), &state, &expected);
            return fail("L16", format!("edited outside at {at} to {document}: {which}\n  {}", text(&stored)));
        }
        if let (Some(history), Some(fused)) = (&self.fused, &mut record.fused) {
            if fused.version != at {
                return fail("L10", format!("with the other cut it lies at {}, not {at}", fused.version));
            }
            *fused = history.edit_outside(fused, document.clone());
        }
        // A document holds no conversion that failed, so where the twin's version cannot show the record, it lies where the
        // edit was made.
        let twin = self.history.sealed(&state, record.twin.version).map_err(error)?;
        let fits =
            self.history.read(&twin, twin.version).is_ok() && !is_broken(&self.history, twin.version, &state, &twin.document);
        record.twin = if fits { twin } else { stored.clone() };
        record.state = state;
        record.stored = stored;
        Ok(Verdict::Done)
    }

    /// Compares the stored document with the state, the twin and the other cut, at every version.
    fn check(&mut self) -> Result<(), Failure> {
        let Some(record) = &mut self.record else { return Ok(()) };
        record.stored = reread(&record.stored)?;
        record.twin = reread(&record.twin)?;
        let state = self.history.state(&record.stored).map_err(|e| Failure::new("L6", e.to_string()))?;
        if let Some(node) = (0..state.cells.len()).find(|id| !state.cells[*id].identical(&record.state.cells[*id])) {
            let key = &self.history.scope().nodes[node].key;
            let (got, wanted) = (&state.cells[node], &record.state.cells[node]);
            return fail("STATE", format!("{key} is {got:?}, not {wanted:?}\n  {}", text(&record.stored)));
        }
        if !state.same(&record.state) {
            return fail(
                "STATE",
                format!("undeclared {:?}, not {:?}\n  {}", state.extras, record.state.extras, text(&record.stored)),
            );
        }
        for version in 1..=self.newest {
            let shown = show(&self.history, &record.stored, version, &mut self.reads)?;
            let twin = show(&self.history, &record.twin, version, &mut self.reads)?;
            if !alike(&shown, &twin) {
                let (stored, twin_stored) = (text(&record.stored), text(&record.twin));
                return fail("L5", format!("read at {version}: {shown:?} of {stored}\n  {twin:?} of {twin_stored}"));
            }
            let natural = self.history.sealed(&record.state, version).map_err(|e| Failure::new("L6", e.to_string()))?;
            match &shown {
                Some(document) if !document.identical(&natural.document) => {
                    return fail(
                        "STATE",
                        format!("read at {version}: {document}, not {}\n  {}", natural.document, text(&record.stored)),
                    );
                }
                None if !is_broken(&self.history, version, &record.state, &natural.document) => {
                    return fail(
                        "L6",
                        format!("{} is quarantined at {version} and fits\n  {}", natural.document, text(&record.stored)),
                    );
                }
                _ => {}
            }
            if let (Some(history), Some(stored)) = (&self.fused, &record.fused)
                && history.versions().any(|v| v == version)
            {
                let fused = show(history, stored, version, &mut self.reads)?;
                if !alike(&shown, &fused) {
                    let (here, there) = (text(&record.stored), text(stored));
                    return fail(
                        "L10",
                        format!("read at {version}: {shown:?} of {here}\n  with the other cut {fused:?} of {there}"),
                    );
                }
            }
        }
        Ok(())
    }
}

/// Stamps the document of the other cut anew, as the one it is compared with was.
fn stamp(fused: Option<&History>, record: &mut Record) {
    if let (Some(history), Some(stored)) = (fused, &mut record.fused)
        && let Ok(stamped) = history.migrate(stored, stored.version)
    {
        *stored = stamped;
    }
}

pub(super) fn outcome(result: &Result<Option<Stored>, Refused>) -> u8 {
    match result {
        Ok(Some(_)) => 0,
        Ok(None) => 1,
        Err(Refused::Invalid { .. }) => 2,
        Err(Refused::Rejected { .. }) => 3,
        Err(_) => 4,
    }
}

/// A refusal that a client may get; anything else is an error that no client may see.
fn refusal(law: &'static str, what: &str, refused: &Refused) -> Result<Verdict, Failure> {
    match refused {
        Refused::Invalid { .. } | Refused::Rejected { .. } => Ok(Verdict::Refused),
        other => fail(law, format!("{what}: {other}")),
    }
}

/// A record in a version's quarantine cannot be patched there.
fn nothing_to_patch(done: &Result<Option<Stored>, Refused>) -> Result<Verdict, Failure> {
    match done {
        Err(Refused::Quarantined { .. }) => Ok(Verdict::Refused),
        other => fail("L6", format!("it is quarantined, and a patch gives {other:?}")),
    }
}

fn difference(scope: &Scope, state: &State, expected: &State) -> String {
    let different = (0..state.cells.len()).find(|id| !state.cells[*id].same(&expected.cells[*id]));
    match different {
        Some(id) => format!("{} is {:?}, not {:?}", scope.nodes[id].key, state.cells[id], expected.cells[id]),
        None => format!("undeclared {:?}, not {:?}", state.extras, expected.extras),
    }
}
