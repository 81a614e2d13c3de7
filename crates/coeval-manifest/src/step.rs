//! The abstract steps of a legacy version's `migrate`: what Spinta's calls say, typed.

use coeval_core::invalid::nearest;
use coeval_core::{Invalid, Value};

use crate::call::{self, Arg, ArgKind, Call};

/// One physical act, as Spinta's manifest spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `create_table(TABLE, column(…), …)`
    CreateTable {
        /// The table.
        table: String,
        /// Its columns.
        columns: Vec<Column>,
    },
    /// `drop_table(TABLE)`
    DropTable {
        /// The table.
        table: String,
    },
    /// `rename_table(FROM, TO)`
    RenameTable {
        /// The name before.
        from: String,
        /// The name after.
        to: String,
    },
    /// `add_column(TABLE, column(…))`
    AddColumn {
        /// The table.
        table: String,
        /// The column.
        column: Column,
    },
    /// `drop_column(TABLE, COLUMN)`
    DropColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// `rename_column(TABLE, FROM, TO)`
    RenameColumn {
        /// The table.
        table: String,
        /// The name before.
        from: String,
        /// The name after.
        to: String,
    },
    /// `alter_column(TABLE, column(…))`: the column as it is afterwards.
    AlterColumn {
        /// The table.
        table: String,
        /// The column.
        column: Column,
    },
    /// `create_index(TABLE, [COLUMN, …], unique: true)`
    CreateIndex {
        /// The table.
        table: String,
        /// The columns.
        columns: Vec<String>,
        /// Whether no two rows share their values.
        unique: bool,
    },
    /// `drop_index(TABLE, [COLUMN, …])`
    DropIndex {
        /// The table.
        table: String,
        /// The columns.
        columns: Vec<String>,
    },
}

/// `column(NAME, TYPE(), primary_key: …, unique: …, nullable: …)`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The type's name: `string`, `uuid4`, `ref` …
    pub ty: String,
    /// The type's arguments, such as the table of a `ref`.
    pub ty_args: Vec<Value>,
    /// Whether it identifies the row.
    pub primary_key: bool,
    /// Whether no two rows share a value.
    pub unique: bool,
    /// Whether it may be null; the default is that it may not.
    pub nullable: bool,
}

const CALLS: &[&str] = &[
    "create_table",
    "drop_table",
    "rename_table",
    "add_column",
    "drop_column",
    "rename_column",
    "alter_column",
    "create_index",
    "drop_index",
];

impl Step {
    /// Reads the steps of a text.
    ///
    /// # Errors
    /// Bad syntax, an unknown call, wrong arguments: each with the bytes of the text.
    pub fn parse(text: &str) -> Result<Vec<Self>, Invalid> {
        call::parse(text)?.iter().map(Self::from_call).collect()
    }

    fn from_call(call: &Call) -> Result<Self, Invalid> {
        let args = Args(call);
        let step = match call.name.as_str() {
            "create_table" => {
                let columns = call.args.get(1..).unwrap_or_default().iter().map(column).collect::<Result<_, _>>()?;
                args.named(&[])?;
                return Ok(Self::CreateTable { table: args.word(0, "the table's name")?, columns });
            }
            "drop_table" => Self::DropTable { table: args.only(1)?.word(0, "the table's name")? },
            "rename_table" => {
                let args = args.only(2)?;
                Self::RenameTable { from: args.word(0, "the table's name")?, to: args.word(1, "its new name")? }
            }
            "add_column" => {
                let args = args.only(2)?;
                Self::AddColumn { table: args.word(0, "the table's name")?, column: column(args.arg(1, "the column")?)? }
            }
            "alter_column" => {
                let args = args.only(2)?;
                Self::AlterColumn { table: args.word(0, "the table's name")?, column: column(args.arg(1, "the column")?)? }
            }
            "drop_column" => {
                let args = args.only(2)?;
                Self::DropColumn { table: args.word(0, "the table's name")?, column: args.word(1, "the column's name")? }
            }
            "rename_column" => {
                let args = args.only(3)?;
                let (from, to) = (args.word(1, "the column's name")?, args.word(2, "its new name")?);
                Self::RenameColumn { table: args.word(0, "the table's name")?, from, to }
            }
            "create_index" => {
                let (table, columns) = (args.only(2)?.word(0, "the table's name")?, args.words(1)?);
                args.named(&["unique"])?;
                return Ok(Self::CreateIndex { table, columns, unique: args.flag("unique")? });
            }
            "drop_index" => Self::DropIndex { table: args.only(2)?.word(0, "the table's name")?, columns: args.words(1)? },
            name => return Err(unknown(call, name)),
        };
        args.named(&[])?;
        Ok(step)
    }
}

fn unknown(call: &Call, name: &str) -> Invalid {
    let invalid = Invalid::new(format!("unknown step `{name}`")).span(call.span.start..call.span.start + name.len());
    match nearest(name, CALLS.iter().copied()) {
        Some(near) => invalid.help(format!("did you mean `{near}`?")),
        None => invalid.help(format!("known steps: {}", CALLS.join(", "))),
    }
}

fn column(arg: &Arg) -> Result<Column, Invalid> {
    let ArgKind::Call(call) = &arg.kind else {
        return Err(Invalid::new("expected `column(NAME, TYPE())`").span(arg.span.clone()));
    };
    if call.name != "column" {
        return Err(Invalid::new(format!("expected `column`, found `{}`", call.name)).span(call.span.clone()));
    }
    let args = Args(call).only(2)?;
    args.named(&["primary_key", "unique", "nullable"])?;
    let ty = args.arg(1, "the column's type, a call such as `string()`")?;
    let (name, ty_args) = match &ty.kind {
        ArgKind::Call(ty) => (ty.name.clone(), ty.args.iter().map(|a| plain(&a.kind)).collect()),
        ArgKind::Word(name) => (name.clone(), Vec::new()),
        _ => return Err(Invalid::new("expected a type, such as `string()`").span(ty.span.clone())),
    };
    Ok(Column {
        name: args.word(0, "the column's name")?,
        ty: name,
        ty_args,
        primary_key: args.flag("primary_key")?,
        unique: args.flag("unique")?,
        nullable: args.flag("nullable")?,
    })
}

fn plain(kind: &ArgKind) -> Value {
    match kind {
        ArgKind::Word(word) => Value::from(word.as_str()),
        ArgKind::Literal(value) => value.clone(),
        ArgKind::List(items) => Value::List(items.iter().map(|item| plain(&item.kind)).collect()),
        ArgKind::Call(call) => Value::from(call.name.as_str()),
    }
}

/// The arguments of a call, with words for what is missing.
#[derive(Clone, Copy)]
struct Args<'a>(&'a Call);

impl<'a> Args<'a> {
    fn only(self, count: usize) -> Result<Self, Invalid> {
        match self.0.args.get(count) {
            Some(extra) => Err(Invalid::new(format!("`{}` takes {count} of these", self.0.name)).span(extra.span.clone())),
            None => Ok(self),
        }
    }

    fn named(self, known: &[&str]) -> Result<(), Invalid> {
        match self.0.named.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, arg)) => Err(Invalid::new(format!("`{}` knows no `{name}`", self.0.name)).span(arg.span.clone())),
            None => Ok(()),
        }
    }

    fn arg(self, at: usize, what: &str) -> Result<&'a Arg, Invalid> {
        let missing = || Invalid::new(format!("`{}` needs {what}", self.0.name)).span(self.0.span.clone());
        self.0.args.get(at).ok_or_else(missing)
    }

    fn word(self, at: usize, what: &str) -> Result<String, Invalid> {
        let arg = self.arg(at, what)?;
        match &arg.kind {
            ArgKind::Word(word) => Ok(word.clone()),
            ArgKind::Literal(Value::String(text)) => Ok(text.to_string()),
            _ => Err(Invalid::new(format!("expected {what}")).span(arg.span.clone())),
        }
    }

    fn words(self, at: usize) -> Result<Vec<String>, Invalid> {
        let arg = self.arg(at, "the columns")?;
        let fail = || Invalid::new("expected the columns: `[a, b]`").span(arg.span.clone());
        let ArgKind::List(items) = &arg.kind else { return self.word(at, "the columns").map(|word| vec![word]) };
        items.iter().map(|item| if let ArgKind::Word(word) = &item.kind { Ok(word.clone()) } else { Err(fail()) }).collect()
    }

    fn flag(self, name: &str) -> Result<bool, Invalid> {
        match self.0.named.iter().find(|(n, _)| n == name).map(|(_, arg)| arg) {
            None => Ok(false),
            Some(Arg { kind: ArgKind::Literal(Value::Bool(value)), .. }) => Ok(*value),
            Some(arg) => Err(Invalid::new("expected true or false").span(arg.span.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_typed_and_unknown_ones_named() {
        let text = "add_column(country, column(code, string(), nullable: true)), create_index(country, [code], unique: true)";
        let column = Column {
            name: "code".to_owned(),
            ty: "string".to_owned(),
            ty_args: Vec::new(),
            primary_key: false,
            unique: false,
            nullable: true,
        };
        let table = "country".to_owned();
        let index = Step::CreateIndex { table: table.clone(), columns: vec!["code".to_owned()], unique: true };
        assert_eq!(Step::parse(text), Ok(vec![Step::AddColumn { table, column }, index]));
        let error = Step::parse("create_tabel(x)").expect_err("it is unknown");
        assert_eq!((error.span, error.help.as_deref()), (Some(0..12), Some("did you mean `create_table`?")));
        assert!(Step::parse("drop_column(country)").is_err_and(|e| e.message == "`drop_column` needs the column's name"));
        assert!(Step::parse("drop_table(a, b)").is_err_and(|e| e.span == Some(14..15)));
        assert!(Step::parse("drop_table(a, x: 1)").is_err());
    }
}
