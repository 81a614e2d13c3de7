//! Looking at records without changing them.

use coeval_core::lens::Stored;
use coeval_store::backend::{Inspection, Survey};
use coeval_store::event::{Event, Failure};
use coeval_store::work::Work;
use coeval_store::{Backend as _, Result};

use crate::backend::PostgresBackend;
use crate::error::During;
use crate::layout::Layout;
use crate::row::{Lens, Row};
use crate::table::text;

/// How many rows are looked at, at once.
const PAGE: usize = 1000;

/// Looks at the records of a model.
pub(crate) async fn inspect(
    backend: &PostgresBackend,
    model: &str,
    survey: Survey,
    sample: Option<u64>,
    work: &Work<'_>,
) -> Result<Inspection> {
    backend.catalog().model(model)?;
    let ledger = backend.ledger().await?;
    let newest = ledger.newest().unwrap_or_default();
    let mut out = Inspection::default();
    for layout in backend.layouts().into_iter().filter(|layout| layout.entry.name == model) {
        let Some(count) = count(backend, &layout).await? else { continue };
        out.records += count;
        if survey == Survey::Count {
            continue;
        }
        for version in layout.versions(newest).into_iter().filter(|version| *version >= ledger.oldest()) {
            let lens = Lens::new(layout.clone(), ledger.in_force().unwrap_or(version), version)?;
            let (mut after, mut left) = (None, sample.unwrap_or(u64::MAX));
            loop {
                work.go_on()?;
                let limit = usize::try_from(left).unwrap_or(PAGE).min(PAGE);
                let rows = backend.page(&lens, after.as_ref(), limit).await?;
                for row in &rows {
                    look(&lens, row, survey, &mut out, work);
                }
                left = left.saturating_sub(rows.len() as u64);
                match rows.last() {
                    Some(last) if rows.len() == PAGE && left > 0 => after = Some(last.key.clone()),
                    Some(_) | None => break,
                }
            }
        }
    }
    Ok(out)
}

/// Counts the rows of a table; `None` where there is none.
async fn count(backend: &PostgresBackend, layout: &Layout<'_>) -> Result<Option<u64>> {
    let what = format!("counting the records of `{}`", layout.entry.name);
    let client = backend.state().database().client().await?;
    let table = &layout.names.table;
    let sql = format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", text(table));
    if !client.query_typed_one(&sql, &[]).await.during(&what)?.try_get::<_, bool>(0).during(&what)? {
        return Ok(None);
    }
    let row = client.query_typed_one(&format!("SELECT count(*) FROM {table}"), &[]).await.during(&what)?;
    Ok(u64::try_from(row.try_get::<_, i64>(0).during(&what)?).ok())
}

/// Looks at a row at one version.
fn look(lens: &Lens<'_>, row: &Row, survey: Survey, out: &mut Inspection, work: &Work<'_>) {
    if !row.hidden.is_empty() {
        *out.quarantined.entry(lens.at).or_default() += 1;
        return;
    }
    let mut problem = |kind: &'static str, reason: String| {
        out.problems += 1;
        let model = lens.layout.entry.name.clone();
        work.observer.event(Event::Failure(Failure { model, key: row.key.to_string(), kind, reason }));
    };
    let violations = lens.model.violations(&row.document);
    for violation in &violations {
        problem("broken", format!("version {}: {violation}", lens.at));
    }
    if survey == Survey::Laws && violations.is_empty() {
        let stored = Stored::plain(lens.shape, row.document.clone());
        let back = lens.layout.era.history.put(&stored, lens.shape, &row.document);
        if back == Ok(None) {
            out.laws += 1;
        } else {
            problem("law", format!("writing back what version {} reads changes the record", lens.at));
        }
    }
}
