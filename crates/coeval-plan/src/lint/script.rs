//! A text as a list of statements, each with the transaction that it stands in.

use std::ops::Range;

use super::form::Form;
use super::read::read;
use crate::sql::{Piece, SqlDialect};

/// The statements of a text.
#[derive(Debug)]
pub(super) struct Script<'t, 'a> {
    pub(super) dialect: SqlDialect,
    pub(super) statements: Vec<Statement<'t, 'a>>,
}

/// A statement.
#[derive(Debug)]
pub(super) struct Statement<'t, 'a> {
    pub(super) form: Form<'t, 'a>,
    /// Whether every token was understood.
    pub(super) whole: bool,
    pub(super) span: Range<usize>,
    pub(super) piece: &'t Piece<'a>,
    /// The transaction it stands in: the index of the statement that begins it.
    pub(super) transaction: Option<usize>,
}

impl<'t, 'a> Script<'t, 'a> {
    /// Reads the statements.
    pub(super) fn read(pieces: &'t [Piece<'a>], dialect: SqlDialect) -> Self {
        let mut transaction = None;
        let mut statements = Vec::with_capacity(pieces.len());
        for (index, piece) in pieces.iter().enumerate() {
            let (form, whole) = read(&piece.tokens);
            let inside = match &form {
                Form::Begin { .. } => {
                    transaction = Some(index);
                    None
                }
                Form::Commit | Form::Rollback => {
                    transaction = None;
                    None
                }
                _ => transaction,
            };
            statements.push(Statement { form, whole, span: piece.span(), piece, transaction: inside });
        }
        Self { dialect, statements }
    }

    /// Returns the statements of a transaction that stand after one of it, up to its end.
    pub(super) fn of_transaction(&self, transaction: usize) -> impl Iterator<Item = (usize, &Statement<'t, 'a>)> {
        self.statements.iter().enumerate().filter(move |(_, statement)| statement.transaction == Some(transaction))
    }

    /// Returns whether the transaction that a statement begins is ended.
    pub(super) fn is_ended(&self, begin: usize) -> bool {
        self.statements[begin + 1..].iter().any(|statement| matches!(statement.form, Form::Commit | Form::Rollback))
    }
}
