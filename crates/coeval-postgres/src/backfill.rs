//! Backfills: new columns of the rows that are there, and what was kept of them when they were dropped.

use coeval_plan::table::Table;
use coeval_sql::ident;
use coeval_sql::postgres::{self, Fill, Names};
use coeval_store::event::{Event, Tally};
use coeval_store::{Error, Result};
use tokio_postgres::types::Type;

use crate::constraint::is_required;
use crate::error::During;
use crate::execute::Job;
use crate::layout::{Layout, view_up_to};
use crate::row::Lens;
use crate::stream::Stream;
use crate::table::{create_workings, key, local, text, unfit};
use crate::walk::{Act, KeyColumns, Range, SETTINGS, Walk};

/// What a backfill does to rows.
struct Filling<'l> {
    /// The version that is computed from.
    lens: Lens<'l>,
    to: u32,
    table: String,
    key: KeyColumns,
    fill: Option<Fill>,
    /// What the database cannot compute of it.
    stream: Option<Stream<'l>>,
    /// What brings back what was kept, oldest first.
    restores: Vec<Restore>,
    /// Conditions on `t` that say that a row is in the way, with whether it is only hidden, and the reason, as SQL.
    wrong: Vec<(String, bool, String)>,
}

/// What was kept when only what the versions up to one had stayed.
struct Restore {
    fill: Fill,
    /// The condition that a row of the archive, `a`, is one of `t`.
    archived: String,
    /// Whether it sets all columns that are filled.
    is_whole: bool,
}

impl<'l> Filling<'l> {
    fn new(
        job: &Job<'_>,
        layout: &Layout<'l>,
        table: &Table<'_>,
        names: &Names,
        from: u32,
        columns: &[String],
        bases: &[u32],
    ) -> Result<Self> {
        let at: Vec<usize> = (0..table.columns.len()).filter(|at| columns.contains(&table.columns[*at].name)).collect();
        let keys = |model: &str| layout.key_type(model);
        let view = view_up_to(table, from).ok_or_else(|| Error::Unknown {
            message: format!("there is no version {from} to compute from: {}", job.step),
            help: None,
        })?;
        let fill = postgres::fill(table, view, &at, names, &keys).map_err(local(job))?;
        let key = key(table, layout);
        let streamed = fill.iter().flat_map(|fill| &fill.streamed).cloned().collect::<Vec<_>>();
        let mut stream = None;
        if !streamed.is_empty() {
            let own = layout.table(table.views.last().map_or(from, |view| view.version))?;
            stream = Some(Stream::new(layout, own, view, (&names.table, &key), &streamed));
        }
        let mut restores = Vec::new();
        for base in bases {
            let Some(kept) = view_up_to(table, *base) else { continue };
            // What older ones brought back is there, as what was kept later belongs to it.
            let newer: Vec<usize> = at.iter().copied().filter(|column| table.columns[*column].since > *base).collect();
            // Of a column something is kept at one of them only; what others could compute of it does not count, and may fail.
            let Some(keep) = postgres::keep(table, kept, &newer, names, &keys).map_err(local(job))? else { continue };
            let members: Vec<String> = keep.members.iter().map(|member| text(member)).collect();
            if let Some(fill) = postgres::restore(table, view, &newer, kept, names, &keys).map_err(local(job))? {
                let archived = format!(
                    "{} AND a.base = {base} AND a.kept ?| ARRAY[{}]::pg_catalog.text[]",
                    archived(job.backend.state().deployment(), layout, &key),
                    members.join(", ")
                );
                if let Some(stream) = &mut stream {
                    stream.restore(archived.clone(), &fill);
                }
                restores.push(Restore { fill, archived, is_whole: newer.len() == at.len() });
            }
        }
        let mut wrong = Vec::new();
        for column in &at {
            let known = &table.columns[*column];
            let name = ident(&known.name);
            if table.is_sign(*column) {
                let reason = "'a version cannot show it'".to_owned();
                wrong.push((format!("t.{name} IS TRUE"), true, reason));
            }
            if known.constant.is_some() {
                continue;
            }
            if is_required(table, *column) && (!bases.is_empty() || !table.is_given(*column)) {
                wrong.push((
                    format!("t.{name} IS NULL"),
                    false,
                    text(&format!("`{}` is required, and there is no value", known.name)),
                ));
            }
            if let Some(check) = postgres::column_check(known) {
                let reason =
                    format!("'the value of `{}` is not of its type: ' || t.{name}::text", known.name.replace('\'', "''"));
                wrong.push((format!("({check}) IS FALSE"), false, reason));
            }
        }
        let lens = Lens::new(layout.clone(), view.version, view.version)?;
        let to = table.views.last().map_or(from, |view| view.version);
        Ok(Self { lens, to, table: names.table.clone(), key, fill, stream, restores, wrong })
    }
}

impl Filling<'_> {
    /// Whether a row is in the way, or hidden.
    fn any_wrong(&self) -> String {
        self.wrong.iter().map(|(condition, _, _)| condition.as_str()).collect::<Vec<_>>().join(" OR ")
    }

    /// The key of such a row, whether it is only hidden, and the reason, as SQL.
    fn told(&self) -> (String, String, String) {
        let texts: Vec<String> = self.key.iter().map(|(column, _)| format!("t.{column}::text")).collect();
        let case = |what: &dyn Fn(&(String, bool, String)) -> String| {
            let whens: Vec<String> = self.wrong.iter().map(|wrong| format!("WHEN {} THEN {}", wrong.0, what(wrong))).collect();
            format!("CASE {} END", whens.join(" "))
        };
        let (hidden, reason) = (case(&|wrong| wrong.1.to_string()), case(&|wrong| format!("({})::text", wrong.2)));
        (format!("ARRAY[{}]", texts.join(", ")), hidden, reason)
    }

    /// The functions that the computations call.
    fn helpers(&self) -> Vec<String> {
        let fills = self.fill.iter().chain(self.restores.iter().map(|restore| &restore.fill));
        fills.flat_map(|fill| fill.helpers.iter().cloned()).collect()
    }
}

/// Renders the condition that a row of the archive, `a`, belongs to one of the table, `t`.
pub(crate) fn archived(deployment: &str, layout: &Layout<'_>, key: &KeyColumns) -> String {
    format!(
        "a.deployment = {} AND a.table_name = {} AND a.key = {}",
        text(deployment),
        text(&layout.table_name),
        archive_key(key)
    )
}

/// Renders the key of a row, as the archive has it.
pub(crate) fn archive_key(key: &KeyColumns) -> String {
    let parts: Vec<String> = key.iter().map(|(column, _)| format!("pg_catalog.to_jsonb(t.{column})")).collect();
    format!("pg_catalog.jsonb_build_array({})", parts.join(", "))
}

impl Act for Filling<'_> {
    fn why(&self) -> Option<(&Lens<'_>, u32)> {
        Some((&self.lens, self.to))
    }

    fn stream(&self) -> Option<&Stream<'_>> {
        self.stream.as_ref()
    }

    fn statements(&self, range: &Range) -> Vec<String> {
        let condition = range.condition(&self.key);
        let fill = self.fill.as_ref().filter(|fill| !fill.set.is_empty());
        let restores = || self.restores.iter().filter(|restore| !restore.fill.set.is_empty());
        // What comes back need not be what would be computed, which may even fail.
        let apart = restores().filter(|restore| restore.is_whole);
        let apart = apart.map(|restore| format!(" AND NOT EXISTS (SELECT FROM coeval.archive AS a WHERE {})", restore.archived));
        let apart: Vec<String> = apart.collect();
        let mut out = Vec::new();
        if fill.is_none() || !apart.is_empty() {
            // The rows are counted.
            out.push(format!("SELECT FROM {} AS t WHERE {condition}", self.table));
        }
        out.extend(fill.map(|fill| format!("UPDATE {} AS t SET {} WHERE {condition}{}", self.table, fill.set, apart.concat())));
        for Restore { fill, archived, .. } in restores() {
            out.push(format!(
                "UPDATE {} AS t SET {} FROM coeval.archive AS a WHERE {archived} AND {condition}",
                self.table, fill.set
            ));
        }
        out
    }

    fn wrong(&self, range: &Range) -> Option<String> {
        if self.wrong.is_empty() {
            return None;
        }
        let (keys, hidden, reason) = self.told();
        Some(format!(
            "SELECT {keys}, {hidden}, {reason} FROM {} AS t WHERE {} AND ({}) ORDER BY 1",
            self.table,
            range.condition(&self.key),
            self.any_wrong()
        ))
    }

    fn at_once(&self, range: &Range) -> Option<String> {
        let fill = self.fill.as_ref().filter(|fill| !fill.set.is_empty())?;
        if self.wrong.is_empty() || self.stream.is_some() || !self.restores.is_empty() {
            return None;
        }
        let (keys, hidden, reason) = self.told();
        let condition = range.condition(&self.key);
        Some(format!(
            "WITH done AS (UPDATE {} AS t SET {} WHERE {condition}
                 RETURNING CASE WHEN {} THEN {keys} END AS key, {hidden} AS hidden, {reason} AS reason)
             SELECT NULL::text[], NULL::bool, NULL::text, pg_catalog.count(*) FROM done
             UNION ALL SELECT key, hidden, reason, NULL FROM done WHERE key IS NOT NULL ORDER BY 1 NULLS FIRST",
            self.table,
            fill.set,
            self.any_wrong()
        ))
    }
}

/// Returns at which versions something was kept of the rows of a table.
pub(crate) async fn bases(job: &Job<'_>, layout: &Layout<'_>) -> Result<Vec<u32>> {
    let what = job.step.to_string();
    let state = job.backend.state();
    let client = state.database().control().await?;
    let sql = "SELECT DISTINCT base FROM coeval.archive WHERE deployment = $1 AND table_name = $2 ORDER BY 1";
    let rows =
        client.query_typed(sql, &[(&state.deployment(), Type::TEXT), (&layout.table_name, Type::TEXT)]).await.during(&what)?;
    let bases: Vec<i32> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().during(&what)?;
    Ok(bases.into_iter().filter_map(|base| u32::try_from(base).ok()).collect())
}

/// The name under which a run notes that columns of a table were not kept up to date for a while.
fn untended(layout: &Layout<'_>) -> String {
    format!("untended {}", layout.table_name)
}

/// Renders the note that from now on nobody keeps the newer columns of a table up to date.
pub(crate) fn note_untended(job: &Job<'_>, layout: &Layout<'_>) -> String {
    format!(
        "INSERT INTO coeval.cursor (deployment, run, step, counts, done) VALUES ({}, {}, {}, '{{}}', true) ON CONFLICT DO NOTHING",
        text(job.backend.state().deployment()),
        text(job.work.run),
        text(&untended(layout))
    )
}

async fn is_untended(job: &Job<'_>, layout: &Layout<'_>) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM coeval.cursor WHERE deployment = {} AND run = {} AND step = {})",
        text(job.backend.state().deployment()),
        text(job.work.run),
        text(&untended(layout))
    );
    Ok(job.ask::<bool>(&sql).await?.unwrap_or_default())
}

/// Computes columns for the rows that are there, and puts back what was kept of them.
pub(crate) async fn backfill(job: &Job<'_>, from: u32, to: u32, columns: &[String]) -> Result<Tally> {
    let layout = job.layout()?;
    // A rollback that is undone: where the columns were tended all along, they are as they should be, whatever was kept so far.
    if job.work.undo && !is_untended(job, &layout).await? {
        return Ok(Tally { total: Some(0), ..Tally::default() });
    }
    let table = layout.table(layout.era.end.map_or(to, |end| to.min(end.saturating_sub(1))))?.offered_at(from);
    let bases = bases(job, &layout).await?;
    let act = Filling::new(job, &layout, &table, &layout.names, from, columns, &bases)?;
    let key = act.key.clone();
    make(job, &layout, &act.helpers()).await?;
    Walk { job, layout: &layout, table: &layout.names.table, key, act }.all().await
}

/// Makes the functions that a computation calls; those of the triggers are there.
pub(crate) async fn make(job: &Job<'_>, layout: &Layout<'_>, helpers: &[String]) -> Result<()> {
    if helpers.is_empty() {
        return Ok(());
    }
    let mut statements = create_workings(job, &layout.names.workings).await?;
    statements.extend(helpers.iter().cloned());
    job.transact(&statements).await
}

/// How many rows are tried at once.
const TRIED: usize = 20_000;
/// Where rows lie while something is tried on them.
pub(crate) const TRIAL: &str = "pg_temp.coeval_trial";

/// Does a backfill on copies of the rows, which go with the transaction.
pub(crate) async fn attempt(job: &Job<'_>, from: u32, to: u32, columns: &[String], sample: Option<u64>) -> Result<Tally> {
    let layout = job.layout()?;
    let what = job.step.to_string();
    let table = layout.table(layout.era.end.map_or(to, |end| to.min(end.saturating_sub(1))))?.offered_at(from);
    let names = layout.names.on(TRIAL);
    let bases = bases(job, &layout).await.unwrap_or_default();
    let keys = |model: &str| layout.key_type(model);
    let mut added = Vec::new();
    for at in (0..table.columns.len()).filter(|at| columns.contains(&table.columns[*at].name)) {
        added.push(postgres::add_column(&table, at, &names, &keys).map_err(unfit(job))?);
    }
    let key = key(&table, &layout);
    let key_columns: Vec<String> = key.iter().map(|(column, _)| format!("t.{column}")).collect();
    let texts: Vec<String> = key_columns.iter().map(|column| format!("{column}::text")).collect();
    let mut sum = Tally::default();
    let mut after: Option<Vec<String>> = None;
    loop {
        job.work.go_on()?;
        let act = Filling::new(job, &layout, &table, &names, from, columns, &bases)?;
        let mut client = job.backend.state().database().client().await?;
        let transaction = client.transaction().await.during(&what)?;
        transaction.batch_execute(SETTINGS).await.during(&what)?;
        let rows = if let Some(sample) = sample {
            // Spread over the whole, and the same ones each time.
            format!("ORDER BY pg_catalog.md5(ROW({})::text) LIMIT {sample}", key_columns.join(", "))
        } else {
            let open = Range { after: after.clone(), up_to: None };
            format!("WHERE {} ORDER BY {} LIMIT {TRIED}", open.condition(&key), key_columns.join(", "))
        };
        let copy = format!("CREATE TEMP TABLE coeval_trial ON COMMIT DROP AS SELECT t.* FROM {} AS t {rows}", layout.names.table);
        let mut statements = vec![format!("CREATE SCHEMA IF NOT EXISTS {}", names.workings)];
        statements.extend(act.helpers());
        statements.push(copy);
        statements.extend(added.iter().cloned());
        for statement in &statements {
            transaction.batch_execute(statement).await.during(&what)?;
        }
        let last =
            format!("SELECT ARRAY[{}] FROM {TRIAL} AS t ORDER BY {} DESC LIMIT 1", texts.join(", "), key_columns.join(" DESC, "));
        let last = transaction.query_typed_opt(&last, &[]).await.during(&what)?;
        after = last.map(|row| row.try_get(0)).transpose().during(&what)?;
        let walk = Walk { job, layout: &layout, table: TRIAL, key: key.clone(), act };
        let (tally, failures) = walk.attempt(&transaction).await?;
        transaction.rollback().await.during(&what)?;
        for failure in failures {
            job.work.observer.event(Event::Failure(failure));
        }
        sum = sum.plus(tally);
        job.work.observer.event(Event::Progress(sum));
        if sample.is_some() || after.is_none() || tally.seen < TRIED as u64 {
            return Ok(sum);
        }
    }
}
