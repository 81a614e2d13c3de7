//! Runs (migrate, rollback, retire) and what is asked about them, over any [`coeval_store::Backend`].
