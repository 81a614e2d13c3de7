//! Archives: what of columns that are dropped could not be computed again (rule R3), a row a record.

use coeval_sql::postgres::{self, Keep};
use coeval_store::Result;
use coeval_store::event::Tally;

use crate::backfill::{archive_key, bases, make};
use crate::execute::Job;
use crate::layout::view_up_to;
use crate::table::{key, local, text};
use crate::walk::{Act, KeyColumns, Range, Walk};

struct Keeping {
    deployment: String,
    table: String,
    table_name: String,
    key: KeyColumns,
    base: u32,
    keep: Keep,
    /// What there can be in the archive of the columns, by the version that it was kept at.
    before: Vec<(u32, Vec<String>)>,
}

impl Keeping {
    fn insert(&self, kept: &str, range: &Range) -> String {
        format!(
            "INSERT INTO coeval.archive AS old (deployment, table_name, key, base, kept)
             SELECT {}, {}, {}, {}, k.kept FROM {} AS t CROSS JOIN LATERAL (SELECT {kept} AS kept OFFSET 0) AS k
             WHERE {} AND k.kept <> '{{}}'::pg_catalog.jsonb
             ON CONFLICT (deployment, table_name, key, base) DO UPDATE SET kept = old.kept || excluded.kept",
            text(&self.deployment),
            text(&self.table_name),
            archive_key(&self.key),
            self.base,
            self.table,
            range.condition(&self.key)
        )
    }
}

impl Act for Keeping {
    /// What was kept of the columns before was put back when they came back: it is out of date.
    fn first(&self) -> Vec<String> {
        let own = format!("deployment = {} AND table_name = {}", text(&self.deployment), text(&self.table_name));
        let outdated = |(base, members): &(u32, Vec<String>)| {
            let members: Vec<String> = members.iter().map(|member| text(member)).collect();
            let members = format!("ARRAY[{}]::pg_catalog.text[]", members.join(", "));
            format!("UPDATE coeval.archive SET kept = kept - {members} WHERE {own} AND base = {base} AND kept ?| {members}")
        };
        let emptied = format!("DELETE FROM coeval.archive WHERE {own} AND kept = '{{}}'::pg_catalog.jsonb");
        self.before.iter().map(outdated).chain([emptied]).collect()
    }

    fn statements(&self, range: &Range) -> Vec<String> {
        vec![self.insert(&self.keep.needed, range)]
    }

    fn otherwise(&self, range: &Range) -> Option<Vec<String>> {
        Some(vec![self.insert(&self.keep.all, range)])
    }
}

/// The name under which a run that is undone notes that its versions were there for clients.
const OFFERED: &str = "offered";

/// Renders the note that a run offered its versions before it was undone.
pub(crate) fn note_offered(job: &Job<'_>) -> String {
    format!(
        "INSERT INTO coeval.cursor (deployment, run, step, counts, done) VALUES ({}, {}, {}, '{{}}', true) ON CONFLICT DO NOTHING",
        text(job.backend.state().deployment()),
        text(job.work.run),
        text(OFFERED)
    )
}

async fn was_offered(job: &Job<'_>) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM coeval.cursor WHERE deployment = {} AND run = {} AND step = {})",
        text(job.backend.state().deployment()),
        text(job.work.run),
        text(OFFERED)
    );
    Ok(job.ask::<bool>(&sql).await?.unwrap_or_default())
}

/// Keeps what could not be computed again of columns that are about to be dropped. A run that is undone has made them, so that
/// nothing of them is anybody's; unless it died when its versions were offered and it was not noted yet that it is over.
pub(crate) async fn archive(job: &Job<'_>, from: u32, to: u32, columns: &[String]) -> Result<Tally> {
    let none = Tally { total: Some(0), ..Tally::default() };
    if job.work.undo && !was_offered(job).await? {
        return Ok(none);
    }
    let layout = job.layout()?;
    let table = layout.table(layout.era.end.map_or(from, |end| from.min(end.saturating_sub(1))))?.offered_at(to);
    let at: Vec<usize> = (0..table.columns.len()).filter(|at| columns.contains(&table.columns[*at].name)).collect();
    let Some(view) = view_up_to(&table, to) else { return Ok(none) };
    let keys = |model: &str| layout.key_type(model);
    let Some(keep) = postgres::keep(&table, view, &at, &layout.names, &keys).map_err(local(job))? else { return Ok(none) };
    let key = key(&table, &layout);
    make(job, &layout, &keep.helpers).await?;
    let mut before = Vec::new();
    for base in bases(job, &layout).await? {
        let at: Vec<usize> = at.iter().copied().filter(|at| table.columns[*at].since > base).collect();
        let Some(view) = view_up_to(&table, base) else { continue };
        let kept = postgres::keep(&table, view, &at, &layout.names, &keys).map_err(local(job))?;
        before.extend(kept.map(|kept| (base, kept.members)));
    }
    let act = Keeping {
        deployment: job.backend.state().deployment().to_owned(),
        table: layout.names.table.clone(),
        table_name: layout.table_name.clone(),
        key: key.clone(),
        base: view.version,
        keep,
        before,
    };
    Walk { job, layout: &layout, table: &layout.names.table, key, act }.all().await
}
