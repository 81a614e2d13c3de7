//! Steps on records, in stores without a schema.

/// A step on records, in a store without a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordStep<'s> {
    /// As [`super::Step::MoveRecords`].
    Move {
        /// The model.
        model: &'s str,
        /// The version that was in force before.
        from: u32,
        /// The version to store them at.
        to: u32,
    },
    /// As [`super::Step::ForgetRecords`].
    Forget {
        /// The model.
        model: &'s str,
        /// The oldest version that stays live.
        before: u32,
        /// The version in force.
        to: u32,
    },
}

impl RecordStep<'_> {
    /// Returns the model that the step is about.
    pub const fn model(&self) -> &str {
        match self {
            Self::Move { model, .. } | Self::Forget { model, .. } => model,
        }
    }
}
