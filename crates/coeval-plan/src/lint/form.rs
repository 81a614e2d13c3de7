//! What a statement does, as far as it matters here: what reading it gives.

use std::ops::Range;

use super::cursor::Name;
use crate::sql::Token;

/// What a statement does.
#[derive(Debug, Clone)]
pub(super) enum Form<'t, 'a> {
    CreateTable(CreateTable<'t, 'a>),
    CreateIndex(CreateIndex<'t, 'a>),
    /// A view, function, sequence, type and so on.
    CreateOther {
        what: String,
        name: Option<Name>,
    },
    CreateTrigger {
        table: Option<Name>,
        again: bool,
    },
    CreateDomain {
        name: Option<Name>,
        constraint: Option<Range<usize>>,
    },
    AlterTable {
        table: Name,
        actions: Vec<Action<'t, 'a>>,
    },
    AlterDomain {
        name: Name,
        constraint: bool,
        not_valid: bool,
    },
    AddEnumValue {
        name: Name,
        value: String,
        placed: bool,
    },
    RenameEnumValue {
        name: Name,
    },
    RenameType {
        name: Name,
    },
    RenameSchema {
        name: Name,
    },
    AlterIndexRename,
    /// MySQL's `RENAME TABLE a TO b, c TO d`.
    RenameTables(Vec<(Name, Name)>),
    Drop {
        what: Dropped,
        names: Vec<Name>,
        on: Option<Name>,
        if_exists: bool,
        concurrently: bool,
        cascade: Option<Range<usize>>,
    },
    Reindex {
        name: Option<Name>,
        concurrently: bool,
    },
    Truncate {
        tables: Vec<Name>,
        cascade: Option<Range<usize>>,
    },
    VacuumFull {
        name: Option<Name>,
    },
    Vacuum,
    Cluster {
        name: Option<Name>,
    },
    Change(Change<'t, 'a>),
    Insert {
        table: Option<Name>,
    },
    Set {
        name: String,
        value: Vec<&'a str>,
        local: bool,
    },
    Pragma {
        name: String,
        value: Option<String>,
    },
    Begin {
        immediate: bool,
    },
    Commit,
    Rollback,
    Grant {
        on: Option<Name>,
    },
    /// `DO $$ … $$`, `CALL`: code that is not looked into.
    Code,
    /// `LOCK TABLE`.
    Lock(Vec<Name>),
    /// A command of a client.
    Client,
    Select,
    Other,
}

/// `CREATE TABLE`.
#[derive(Debug, Clone)]
pub(super) struct CreateTable<'t, 'a> {
    pub(super) name: Name,
    pub(super) again: bool,
    pub(super) columns: Vec<Column<'t, 'a>>,
    pub(super) constraints: Vec<Constraint<'t, 'a>>,
    /// `LIKE … INCLUDING ALL`.
    pub(super) copies_all: bool,
    /// Whether it is nothing but `LIKE`.
    pub(super) only_copies: bool,
}

/// `CREATE INDEX`.
#[derive(Debug, Clone)]
pub(super) struct CreateIndex<'t, 'a> {
    pub(super) name: Option<Name>,
    pub(super) table: Name,
    pub(super) unique: bool,
    pub(super) concurrently: bool,
    pub(super) again: bool,
    /// From the table to the end.
    pub(super) on: String,
    pub(super) columns: Vec<String>,
    /// What follows the columns.
    pub(super) tail: &'t [Token<'a>],
}

/// `UPDATE` or `DELETE`.
#[derive(Debug, Clone)]
pub(super) struct Change<'t, 'a> {
    pub(super) word: &'static str,
    pub(super) table: Name,
    pub(super) condition: Option<&'t [Token<'a>]>,
    pub(super) limited: bool,
}

/// What is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dropped {
    Table,
    Index,
    Schema,
    Database,
    Trigger,
    Other(String),
}

/// A column as it is declared.
#[allow(clippy::struct_excessive_bools, reason = "independent options of a column")]
#[derive(Debug, Clone)]
pub(super) struct Column<'t, 'a> {
    pub(super) name: Name,
    pub(super) ty: Type,
    pub(super) span: Range<usize>,
    pub(super) not_null: bool,
    pub(super) default: Option<&'t [Token<'a>]>,
    pub(super) generated: Option<Generated>,
    pub(super) unique: bool,
    pub(super) primary: bool,
    pub(super) references: Option<Name>,
    pub(super) checked: bool,
    /// Whether every option was understood.
    pub(super) whole: bool,
}

/// How a column gets its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generated {
    Stored,
    Virtual,
    Identity,
}

/// A type as it is written, and in one spelling.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Type {
    pub(super) base: String,
    pub(super) arguments: Vec<String>,
    pub(super) shown: String,
    pub(super) span: Range<usize>,
}

/// A constraint of a table.
#[derive(Debug, Clone)]
pub(super) struct Constraint<'t, 'a> {
    pub(super) name: Option<Name>,
    pub(super) kind: ConstraintKind<'t, 'a>,
    pub(super) not_valid: bool,
    pub(super) using_index: bool,
    pub(super) span: Range<usize>,
}

/// What a constraint demands.
#[derive(Debug, Clone)]
pub(super) enum ConstraintKind<'t, 'a> {
    Unique(Vec<String>),
    Primary(Vec<String>),
    Foreign { columns: String, references: Option<Name> },
    Check(&'t [Token<'a>]),
    Exclude,
    NotNull(Option<Name>),
}

/// One thing that an `ALTER TABLE` does.
#[derive(Debug, Clone)]
pub(super) struct Action<'t, 'a> {
    pub(super) kind: ActionKind<'t, 'a>,
    pub(super) span: Range<usize>,
    /// Whether every token was understood.
    pub(super) whole: bool,
}

/// What it does.
#[derive(Debug, Clone)]
pub(super) enum ActionKind<'t, 'a> {
    AddColumn {
        column: Column<'t, 'a>,
        again: bool,
    },
    AddConstraint(Constraint<'t, 'a>),
    /// MySQL's `ADD INDEX`.
    AddIndex,
    DropColumn {
        name: Name,
        again: bool,
        cascade: Option<Range<usize>>,
    },
    DropConstraint {
        name: Name,
        again: bool,
        cascade: Option<Range<usize>>,
    },
    DropPrimaryKey,
    SetNotNull(Name),
    DropNotNull(Name),
    SetType {
        column: Name,
        ty: Type,
        using: bool,
    },
    SetDefault,
    RenameColumn {
        from: Name,
        to: Option<Name>,
    },
    RenameTo(Name),
    RenameConstraint,
    Validate(Name),
    Attach {
        partition: Name,
    },
    Detach {
        partition: Name,
        concurrently: bool,
    },
    /// MySQL's `MODIFY` and `CHANGE`.
    Modify {
        from: Name,
        column: Column<'t, 'a>,
    },
    ConvertCharset,
    Algorithm(String),
    Lock(String),
    /// What takes no strong lock: statistics, storage of one column.
    Light,
    Other,
}
