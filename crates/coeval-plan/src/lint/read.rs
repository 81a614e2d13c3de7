//! Reading a statement: which it is, and what in it matters here. What is not known is `Other`, never an error.

use super::cursor::{Cursor, Name, shown, span_of};
use super::form::{Change, CreateIndex, CreateTable, Dropped, Form};
use super::read_table::{action, cascade, column, column_names, constraint};
use crate::sql::{Kind, Token};

/// Reads a statement; beside it, whether every token was understood, so that no parser has to.
pub(super) fn read<'t, 'a>(tokens: &'t [Token<'a>]) -> (Form<'t, 'a>, bool) {
    let mut cursor = Cursor::new(tokens);
    let form = form(&mut cursor).unwrap_or(Form::Other);
    let whole = match &form {
        // What is dropped must be something that is known.
        Form::Drop { what, .. } => cursor.is_done() && !matches!(what, Dropped::Other(_)),
        Form::AlterTable { actions, .. } => actions.iter().all(|action| action.whole),
        Form::Reindex { .. }
        | Form::Cluster { .. }
        | Form::VacuumFull { .. }
        | Form::Vacuum
        | Form::AlterDomain { .. }
        | Form::AddEnumValue { .. }
        | Form::RenameEnumValue { .. }
        | Form::RenameType { .. }
        | Form::RenameSchema { .. }
        | Form::AlterIndexRename
        | Form::RenameTables(_)
        | Form::Pragma { .. }
        | Form::Code
        | Form::Client => cursor.is_done(),
        Form::CreateTable(table) => table.only_copies,
        Form::CreateIndex(_)
        | Form::CreateOther { .. }
        | Form::CreateTrigger { .. }
        | Form::CreateDomain { .. }
        | Form::Truncate { .. }
        | Form::Lock(_)
        | Form::Change(_)
        | Form::Insert { .. }
        | Form::Grant { .. }
        | Form::Set { .. }
        | Form::Begin { .. }
        | Form::Commit
        | Form::Rollback
        | Form::Select
        | Form::Other => false,
    };
    (form, whole)
}

fn form<'t, 'a>(cursor: &mut Cursor<'t, 'a>) -> Option<Form<'t, 'a>> {
    let first = cursor.peek()?;
    if first.kind == Kind::Client {
        cursor.next();
        return Some(Form::Client);
    }
    let word = first.text.to_ascii_uppercase();
    if first.kind != Kind::Word {
        return None;
    }
    if word == "WITH" {
        return with(cursor);
    }
    cursor.next();
    match word.as_str() {
        "CREATE" => create(cursor),
        "ALTER" => alter(cursor),
        "DROP" => drop_form(cursor),
        "RENAME" => {
            cursor.eat("TABLE");
            let mut pairs = Vec::new();
            loop {
                let from = cursor.name()?;
                cursor.eat("TO");
                pairs.push((from, cursor.name()?));
                if !cursor.eat_sign(',') {
                    return Some(Form::RenameTables(pairs));
                }
            }
        }
        "LOCK" => {
            let _ = cursor.eat("TABLE") | cursor.eat("ONLY");
            let tables = cursor.names();
            cursor.until(|_| false);
            Some(Form::Lock(tables))
        }
        "REINDEX" => Some(reindex(cursor)),
        "TRUNCATE" => {
            let _ = cursor.eat("TABLE") | cursor.eat("ONLY");
            let tables = cursor.names();
            let _ = cursor.eat("RESTART IDENTITY") || cursor.eat("CONTINUE IDENTITY");
            Some(Form::Truncate { tables, cascade: cascade(cursor) })
        }
        "VACUUM" => Some(vacuum(cursor)),
        "CLUSTER" => {
            let _ = cursor.parens().is_some() | cursor.eat("VERBOSE");
            let name = cursor.name();
            if cursor.eat("USING") || cursor.eat("ON") {
                cursor.name();
            }
            Some(Form::Cluster { name })
        }
        "UPDATE" | "DELETE" => change(cursor, &word),
        "INSERT" | "REPLACE" | "MERGE" | "COPY" | "LOAD" => {
            cursor.until(|token| token.is("INTO"));
            let into = cursor.eat("INTO");
            Some(Form::Insert { table: if into { cursor.name() } else { None } })
        }
        "SET" => Some(set(cursor)),
        "RESET" | "SHOW" => {
            cursor.until(|_| false);
            Some(Form::Select)
        }
        "PRAGMA" => pragma(cursor),
        "BEGIN" | "START" => {
            let immediate = cursor.eat("IMMEDIATE") || cursor.eat("EXCLUSIVE");
            cursor.until(|_| false);
            Some(Form::Begin { immediate })
        }
        "COMMIT" | "END" => {
            cursor.until(|_| false);
            Some(Form::Commit)
        }
        "ROLLBACK" | "ABORT" => {
            let to = cursor.until(|token| token.is("TO"));
            let savepoint = cursor.eat("TO");
            let _ = (to, cursor.until(|_| false));
            Some(if savepoint { Form::Other } else { Form::Rollback })
        }
        "GRANT" | "COMMENT" => {
            cursor.until(|token| token.is("ON"));
            cursor.eat("ON");
            cursor.eat("TABLE");
            Some(Form::Grant { on: cursor.name() })
        }
        "DO" | "CALL" | "EXECUTE" => {
            cursor.until(|_| false);
            Some(Form::Code)
        }
        "SELECT" | "VALUES" | "TABLE" | "EXPLAIN" | "ANALYZE" => Some(Form::Select),
        _ => None,
    }
}

/// `WITH … UPDATE`: what is done stands after the queries, or is in one of them.
fn with<'t, 'a>(cursor: &mut Cursor<'t, 'a>) -> Option<Form<'t, 'a>> {
    let words = ["UPDATE", "DELETE", "INSERT", "SELECT"];
    let from = cursor.rest();
    cursor.until(|token| words.iter().any(|word| token.is(word)));
    let queries = &from[..from.len() - cursor.rest().len()];
    let word = cursor.next()?.text.to_ascii_uppercase();
    match word.as_str() {
        "UPDATE" | "DELETE" => {
            let limited = queries.iter().any(|token| token.is("LIMIT"));
            change(cursor, &word).map(|form| match form {
                Form::Change(change) => Form::Change(Change { limited: change.limited || limited, ..change }),
                other => other,
            })
        }
        "INSERT" => {
            cursor.eat("INTO");
            Some(Form::Insert { table: cursor.name() })
        }
        _ => Some(Form::Select),
    }
}

fn create<'t, 'a>(cursor: &mut Cursor<'t, 'a>) -> Option<Form<'t, 'a>> {
    let replace = cursor.eat("OR REPLACE");
    // MySQL: `DEFINER = …`, `ALGORITHM = …` stand before what is created.
    let kinds = [
        "TABLE",
        "INDEX",
        "TRIGGER",
        "DOMAIN",
        "VIEW",
        "FUNCTION",
        "PROCEDURE",
        "SEQUENCE",
        "SCHEMA",
        "DATABASE",
        "TYPE",
        "EXTENSION",
        "POLICY",
        "RULE",
        "ROLE",
        "USER",
        "AGGREGATE",
        "OPERATOR",
        "CAST",
        "COLLATION",
        "PUBLICATION",
        "SUBSCRIPTION",
        "SERVER",
        "STATISTICS",
        "EVENT",
    ];
    let before = cursor.until(|token| kinds.iter().any(|kind| token.is(kind)));
    let has = |word: &str| before.iter().any(|token| token.is(word));
    let what = kinds.iter().find(|kind| cursor.eat(kind))?;
    match *what {
        "TABLE" => create_table(cursor),
        "INDEX" => create_index(cursor, has("UNIQUE")),
        "TRIGGER" => {
            let again = cursor.eat("IF NOT EXISTS") || replace;
            let moment = cursor.until(|token| token.is("ON"));
            cursor.eat("ON");
            if moment.iter().any(|token| token.is("INSTEAD")) {
                // On a view, which nobody has to wait for.
                return Some(Form::CreateOther { what: "TRIGGER".to_owned(), name: cursor.name() });
            }
            Some(Form::CreateTrigger { table: cursor.name(), again })
        }
        "DOMAIN" => {
            let name = cursor.name();
            cursor.until(|token| token.is("CHECK") || token.is("NOT"));
            let at = cursor.rest();
            let constraint = (cursor.eat("CHECK") && cursor.parens().is_some()) || cursor.eat("NOT NULL");
            let constraint = constraint.then(|| span_of(&at[..at.len() - cursor.rest().len()]));
            Some(Form::CreateDomain { name, constraint })
        }
        other => {
            cursor.eat("IF NOT EXISTS");
            Some(Form::CreateOther { what: other.to_owned(), name: cursor.name() })
        }
    }
}

fn create_table<'t, 'a>(cursor: &mut Cursor<'t, 'a>) -> Option<Form<'t, 'a>> {
    let again = cursor.eat("IF NOT EXISTS");
    let name = cursor.name()?;
    let mut out =
        CreateTable { name, again, columns: Vec::new(), constraints: Vec::new(), copies_all: false, only_copies: false };
    if cursor.eat("PARTITION OF") {
        return Some(Form::CreateTable(out));
    }
    for part in Cursor::new(cursor.parens().unwrap_or_default()).list() {
        let mut cursor = Cursor::new(part);
        if cursor.sees("LIKE") {
            out.copies_all |= part.windows(2).any(|pair| pair[0].is("INCLUDING") && pair[1].is("ALL"));
        } else if let Some(constraint) = constraint(&mut cursor.clone()) {
            out.constraints.push(constraint);
        } else if !["INDEX", "KEY", "FULLTEXT", "SPATIAL", "PERIOD"].iter().any(|word| cursor.sees(word)) {
            out.columns.extend(column(&mut cursor));
        }
    }
    out.only_copies = out.copies_all && out.columns.is_empty() && out.constraints.is_empty() && cursor.is_done();
    Some(Form::CreateTable(out))
}

fn create_index<'t, 'a>(cursor: &mut Cursor<'t, 'a>, unique: bool) -> Option<Form<'t, 'a>> {
    let concurrently = cursor.eat("CONCURRENTLY");
    let again = cursor.eat("IF NOT EXISTS");
    let name = if cursor.sees("ON") { None } else { cursor.name() };
    if cursor.eat("USING") {
        cursor.next();
    }
    cursor.eat("ON");
    cursor.eat("ONLY");
    let on = shown(cursor.rest());
    let table = cursor.name()?;
    if cursor.eat("USING") {
        cursor.next();
    }
    let columns = column_names(cursor.parens().unwrap_or_default());
    Some(Form::CreateIndex(CreateIndex { name, table, unique, concurrently, again, on, columns, tail: cursor.rest() }))
}

fn alter<'t, 'a>(cursor: &mut Cursor<'t, 'a>) -> Option<Form<'t, 'a>> {
    if cursor.eat("TABLE") || cursor.eat("IGNORE TABLE") || cursor.eat("ONLINE TABLE") {
        cursor.eat("IF EXISTS");
        cursor.eat("ONLY");
        let table = cursor.name()?;
        cursor.eat_sign('*');
        let actions = cursor.list().into_iter().map(action).collect();
        return Some(Form::AlterTable { table, actions });
    }
    let what = cursor.eat_any(&["TYPE", "DOMAIN", "SCHEMA", "DATABASE", "INDEX", "VIEW"])?;
    cursor.eat("IF EXISTS");
    let name = cursor.name()?;
    match what {
        "TYPE" if cursor.eat("ADD VALUE") => {
            cursor.eat("IF NOT EXISTS");
            let value = cursor.next()?.text.to_owned();
            let placed = cursor.eat("BEFORE") || cursor.eat("AFTER");
            if placed {
                cursor.next();
            }
            Some(Form::AddEnumValue { name, value, placed })
        }
        "TYPE" if cursor.eat("RENAME VALUE") => {
            let _ = (cursor.next(), cursor.eat("TO"), cursor.next());
            Some(Form::RenameEnumValue { name })
        }
        "TYPE" if cursor.eat("RENAME TO") => {
            cursor.ident()?;
            Some(Form::RenameType { name })
        }
        "DOMAIN" => {
            let constraint = cursor.sees("ADD") || cursor.sees("SET NOT NULL");
            let rest = cursor.until(|_| false);
            let not_valid = rest.windows(2).any(|pair| pair[0].is("NOT") && pair[1].is("VALID"));
            Some(Form::AlterDomain { name, constraint, not_valid })
        }
        "SCHEMA" | "DATABASE" if cursor.eat("RENAME TO") => {
            cursor.ident()?;
            Some(Form::RenameSchema { name })
        }
        "INDEX" if cursor.eat("RENAME TO") => {
            cursor.ident()?;
            Some(Form::AlterIndexRename)
        }
        _ => None,
    }
}

fn drop_form<'t, 'a>(cursor: &mut Cursor<'t, 'a>) -> Option<Form<'t, 'a>> {
    cursor.eat_any(&["TEMPORARY", "MATERIALIZED"]);
    let what = match cursor.next()?.text.to_ascii_uppercase().as_str() {
        "TABLE" => Dropped::Table,
        "INDEX" => Dropped::Index,
        "SCHEMA" => Dropped::Schema,
        "DATABASE" => Dropped::Database,
        "TRIGGER" => Dropped::Trigger,
        other => Dropped::Other(other.to_owned()),
    };
    let concurrently = cursor.eat("CONCURRENTLY");
    let if_exists = cursor.eat("IF EXISTS");
    let names = cursor.names();
    // The arguments of a function.
    cursor.parens();
    let on = if cursor.eat("ON") { cursor.name() } else { None };
    Some(Form::Drop { what, names, on, if_exists, concurrently, cascade: cascade(cursor) })
}

fn reindex<'t, 'a>(cursor: &mut Cursor<'t, 'a>) -> Form<'t, 'a> {
    let options = cursor.parens().unwrap_or_default();
    cursor.eat_any(&["INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM"]);
    let concurrently = cursor.eat("CONCURRENTLY") || options.iter().any(|token| token.is("CONCURRENTLY"));
    Form::Reindex { name: cursor.name(), concurrently }
}

fn vacuum<'t, 'a>(cursor: &mut Cursor<'t, 'a>) -> Form<'t, 'a> {
    let options = cursor.parens().unwrap_or_default();
    let full = cursor.eat("FULL") || options.iter().any(|token| token.is("FULL"));
    while cursor.eat_any(&["FREEZE", "VERBOSE", "ANALYZE"]).is_some() {}
    let name: Option<Name> = cursor.name();
    cursor.until(|_| false);
    if full { Form::VacuumFull { name } } else { Form::Vacuum }
}

fn change<'t, 'a>(cursor: &mut Cursor<'t, 'a>, word: &str) -> Option<Form<'t, 'a>> {
    cursor.eat_any(&["LOW_PRIORITY", "QUICK", "IGNORE"]);
    if cursor.eat("OR") {
        cursor.next();
    }
    cursor.eat("FROM");
    cursor.eat("ONLY");
    let table = cursor.name()?;
    let limited = cursor.rest().iter().any(|token| token.is("LIMIT"));
    cursor.until(|token| token.is("WHERE"));
    let condition =
        cursor.eat("WHERE").then(|| cursor.until(|token| token.is("RETURNING") || token.is("ORDER") || token.is("LIMIT")));
    let word = if word == "DELETE" { "DELETE" } else { "UPDATE" };
    Some(Form::Change(Change { word, table, condition, limited }))
}

fn set<'t, 'a>(cursor: &mut Cursor<'t, 'a>) -> Form<'t, 'a> {
    let local = cursor.eat("LOCAL");
    let _ = cursor.eat("SESSION") || cursor.eat("GLOBAL");
    while cursor.eat_sign('@') {}
    let _ = cursor.eat("SESSION") && cursor.eat_sign('.');
    let name = cursor.name().map(|name| name.key).unwrap_or_default();
    let _ = cursor.eat_sign('=') || cursor.eat("TO");
    let value = cursor.until(|_| false).iter().map(|token| token.text).collect();
    Form::Set { name, value, local }
}

fn pragma<'t, 'a>(cursor: &mut Cursor<'t, 'a>) -> Option<Form<'t, 'a>> {
    let name = cursor.name()?.key;
    let value = if cursor.eat_sign('=') { Some(cursor.until(|_| false)) } else { cursor.parens() };
    Some(Form::Pragma { name, value: value.map(|tokens| shown(tokens).to_lowercase()) })
}
