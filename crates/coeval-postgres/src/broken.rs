//! What can go wrong with a part of a batch.

use coeval_store::Error;

use crate::error::{tell, words};
use crate::statement::is_passing;
use crate::walk::is_data;

/// What kept a part of a batch from being done.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The database said so.
    Database(tokio_postgres::Error),
    /// It was found out here.
    Other(Error),
}

impl From<tokio_postgres::Error> for Broken {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Broken {
    /// What is about the value of some row.
    pub(crate) fn of_data(&self) -> Option<&tokio_postgres::Error> {
        match self {
            Self::Database(error) => Some(error).filter(|error| is_data(error)),
            Self::Other(_) => None,
        }
    }

    /// What passes when it is tried again, in words.
    pub(crate) fn passing(&self) -> Option<String> {
        match self {
            Self::Database(error) if is_passing(error) => Some(error.as_db_error().map(words).unwrap_or_default()),
            Self::Database(_) | Self::Other(_) => None,
        }
    }

    pub(crate) fn tell(self, what: &str) -> Error {
        match self {
            Self::Database(error) => tell(what, &error),
            Self::Other(error) => error,
        }
    }
}
