//! Wrong readings of the rules, for tests that must tell them from the right one.
//!
//! Each is natural, and each was somebody's first idea. Without the feature `mutants` none can be in force and the compiler
//! removes the questions.

/// A wrong reading of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A kept value is used whatever the stored document shows by now.
    NoFingerprint,
    /// A write changes every property that its document names, also to the value that it has.
    NoDifference,
    /// A value that follows its sources is recomputed with them even after somebody wrote another one.
    FollowsForever,
    /// Only the nodes next to the stored version are kept; those behind them are computed anew.
    OneHop,
    /// What was kept before a write is kept after it where nothing else is.
    StaleKeep,
    /// An output of a unit is recomputed only where its own value comes out different.
    PartialUnit,
    /// Absence is not kept.
    NoAbsence,
    /// A default applies where the object that it lies in is not there.
    NoGate,
    /// A value of its own goes whenever its object is absent, not only when a write takes the object away.
    GoneByState,
}

impl Mutant {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::NoFingerprint,
        Self::NoDifference,
        Self::FollowsForever,
        Self::OneHop,
        Self::StaleKeep,
        Self::PartialUnit,
        Self::NoAbsence,
        Self::NoGate,
        Self::GoneByState,
    ];
}

#[cfg(feature = "mutants")]
std::thread_local! {
    static IN_FORCE: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Runs something with a wrong reading in force on this thread. Histories folded outside must not be used inside.
#[cfg(feature = "mutants")]
pub fn with<T>(mutant: Mutant, run: impl FnOnce() -> T) -> T {
    /// Ends the reading also where `run` panics.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            IN_FORCE.set(None);
        }
    }
    IN_FORCE.set(Some(mutant));
    let _reset = Reset;
    run()
}

/// Whether a wrong reading is in force.
#[cfg(feature = "mutants")]
pub(crate) fn is(mutant: Mutant) -> bool {
    IN_FORCE.get() == Some(mutant)
}

/// Whether a wrong reading is in force: never.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
