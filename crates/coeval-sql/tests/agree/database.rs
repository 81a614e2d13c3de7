//! The databases: a table with a column for each property, and an expression evaluated on a row of it.

use std::cell::RefCell;

use coeval_core::Value;
use coeval_core::expr::ExprType;
use coeval_sql::{Dialect, column_type, ident, literal};
use tokio_postgres::NoTls;

use crate::model::columns;

/// A row: a value for each column.
pub(crate) type Row = Vec<Value>;

pub(crate) trait Database {
    fn dialect(&self) -> Dialect;
    /// Makes the rows of the table; they are numbered from 0.
    fn fill(&self, rows: &[Row]);
    /// The values of a text for each row, as text that [`read`] takes: `Ok(None)` for NULL; what the database says where it fails.
    fn values(&self, sql: &str, ty: &ExprType, rows: usize) -> Vec<Result<Option<String>, String>>;
}

fn statements(dialect: Dialect, rows: &[Row]) -> Vec<String> {
    let temporary = if dialect == Dialect::Postgres { "TEMPORARY " } else { "" };
    let columns = columns();
    let declared: Vec<String> =
        columns.iter().map(|(name, p)| format!("{} {}", ident(name), column_type(&p.ty, &|_| None, dialect))).collect();
    let mut statements = vec![
        "DROP TABLE IF EXISTS thing".to_owned(),
        format!("CREATE {temporary}TABLE thing (\"row@\" integer primary key, {})", declared.join(", ")),
    ];
    for (number, row) in rows.iter().enumerate() {
        let values: Vec<String> =
            row.iter().zip(&columns).map(|(value, (_, p))| literal(value, &p.ty, dialect).expect("the value fits")).collect();
        statements.push(format!("INSERT INTO thing VALUES ({number}, {})", values.join(", ")));
    }
    statements
}

pub(crate) struct Sqlite(rusqlite::Connection);

impl Sqlite {
    pub(crate) fn open() -> Self {
        Self(rusqlite::Connection::open_in_memory().expect("SQLite opens"))
    }
}

impl Database for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn fill(&self, rows: &[Row]) {
        for statement in statements(Dialect::Sqlite, rows) {
            self.0.execute_batch(&statement).unwrap_or_else(|e| panic!("{statement}: {e}"));
        }
    }

    fn values(&self, sql: &str, _ty: &ExprType, rows: usize) -> Vec<Result<Option<String>, String>> {
        let text = format!("SELECT {sql} FROM thing WHERE \"row@\" = ?1");
        let mut statement = match self.0.prepare(&text) {
            Ok(statement) => statement,
            Err(error) => return vec![Err(format!("cannot be prepared: {error}")); rows],
        };
        (0..rows)
            .map(|row| {
                let value =
                    statement.query_row([row], |row| row.get::<_, rusqlite::types::Value>(0)).map_err(|e| e.to_string())?;
                Ok(match value {
                    rusqlite::types::Value::Null => None,
                    rusqlite::types::Value::Integer(n) => Some(n.to_string()),
                    rusqlite::types::Value::Real(x) => Some(format!("real {x:?}")),
                    rusqlite::types::Value::Text(text) => Some(text),
                    rusqlite::types::Value::Blob(bytes) => Some(format!("bytes {}", hex(&bytes))),
                })
            })
            .collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).flatten().collect()
}

pub(crate) struct Postgres {
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
    table: RefCell<()>,
}

impl Postgres {
    /// Connects to the server that the environment names, with settings that are not the usual ones.
    pub(crate) fn open() -> Self {
        let url = std::env::var("COEVAL_TEST_POSTGRES")
            .expect("COEVAL_TEST_POSTGRES is not set: run the tests with `testing/postgres COMMAND`, or set it to postgres://…");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("PostgreSQL answers");
            tokio::spawn(connection);
            client
        });
        let settings = "SET TimeZone = 'America/St_Johns'; SET DateStyle = 'German, DMY'; SET IntervalStyle = 'sql_standard'; \
                        SET standard_conforming_strings = off; SET escape_string_warning = off; SET bytea_output = 'escape'; \
                        SET search_path = pg_temp, public";
        runtime.block_on(client.batch_execute(settings)).expect("the settings are taken");
        Self { runtime, client, table: RefCell::new(()) }
    }
}

impl Database for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn fill(&self, rows: &[Row]) {
        let _one_at_a_time = self.table.borrow_mut();
        for statement in statements(Dialect::Postgres, rows) {
            self.runtime.block_on(self.client.batch_execute(&statement)).unwrap_or_else(|e| panic!("{statement}: {e:?}"));
        }
    }

    fn values(&self, sql: &str, ty: &ExprType, rows: usize) -> Vec<Result<Option<String>, String>> {
        let shown = match ty {
            ExprType::Bytes => format!("'bytes ' || encode({sql}, 'hex')"),
            ExprType::Float => format!("'real ' || (({sql})::text)"),
            ExprType::Date => format!("to_char({sql}, 'YYYY-MM-DD')"),
            ExprType::Datetime => format!("to_char(({sql}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"),
            _ => format!("({sql})::text"),
        };
        let text = format!("SELECT {shown} FROM thing WHERE \"row@\" = $1");
        self.runtime.block_on(async {
            let statement = match self.client.prepare(&text).await {
                Ok(statement) => statement,
                Err(error) => return vec![Err(format!("cannot be prepared: {error:?}")); rows],
            };
            let mut values = Vec::with_capacity(rows);
            for row in 0..rows {
                let row = i32::try_from(row).expect("few rows");
                let value = self.client.query_one(&statement, &[&row]).await;
                let said = |e: tokio_postgres::Error| e.as_db_error().map_or_else(|| e.to_string(), |e| e.message().to_owned());
                values.push(value.map(|row| row.get::<_, Option<String>>(0)).map_err(said));
            }
            values
        })
    }
}

/// A value from the text of a column.
pub(crate) fn read(text: &str, ty: &ExprType) -> Value {
    let json = |text: &str| coeval_core::json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text} is no JSON: {e}"));
    match ty {
        ExprType::Boolean => match text {
            "1" | "true" => Value::Bool(true),
            "0" | "false" => Value::Bool(false),
            other => panic!("{other} is no truth value"),
        },
        ExprType::Integer
        | ExprType::Number
        | ExprType::Decimal { .. }
        | ExprType::Json
        | ExprType::Union { .. }
        | ExprType::List(_)
        | ExprType::Map(_)
        | ExprType::Object(_) => json(text),
        _ => Value::from(text),
    }
}

/// The value as its column gives it: a moment to the microsecond in UTC, a float as its double.
pub(crate) fn comparable(value: &Value, ty: &ExprType) -> Value {
    match (ty, value) {
        (_, Value::Null) => Value::Null,
        (ExprType::Float, Value::Number(number)) => Value::from(format!("real {:?}", number.to_f64().expect("a double") + 0.0)),
        (ExprType::Float, Value::String(text)) => {
            let double: f64 = text.as_str().trim_start_matches("real ").parse().expect("a double");
            Value::from(format!("real {:?}", double + 0.0))
        }
        (ExprType::Datetime, Value::String(text)) => {
            let sql = literal(&Value::from(text.as_str()), &coeval_core::Type::Datetime, Dialect::Sqlite).expect("a moment");
            Value::from(sql.trim_matches('\''))
        }
        (ExprType::Time, Value::String(_)) => {
            let sql = literal(value, &coeval_core::Type::Time, Dialect::Sqlite).expect("a time");
            Value::from(sql.trim_matches('\''))
        }
        (ExprType::Bytes, Value::String(text)) if !text.as_str().starts_with("bytes ") => {
            let sql = literal(value, &coeval_core::Type::Bytes, Dialect::Sqlite).expect("bytes");
            Value::from(format!("bytes {}", sql.trim_start_matches("x'").trim_end_matches('\'')))
        }
        (ExprType::Uuid, Value::String(text)) => Value::from(text.as_str().to_ascii_lowercase()),
        (_, value) => value.clone(),
    }
}
