//! Versions as they are named on the command line.

use std::fmt;
use std::str::FromStr;

/// A version that someone asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The version with this number.
    Number(u32),
    /// The newest one.
    Latest,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if matches!(text, "latest" | "head") {
            return Ok(Self::Latest);
        }
        let digits = text.strip_prefix('v').unwrap_or(text);
        let number = digits.parse().ok().filter(|number| *number > 0);
        number.map(Self::Number).ok_or_else(|| "a version is a number from 1 on, `latest` or `head`".to_owned())
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Latest => f.write_str("latest"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_or_the_newest() {
        for (text, expected) in [("1", Some(Wanted::Number(1))), ("v7", Some(Wanted::Number(7))), ("head", Some(Wanted::Latest))]
        {
            assert_eq!(text.parse().ok(), expected);
        }
        for text in ["0", "-1", "", "v", "newest", "1.0"] {
            assert!(text.parse::<Wanted>().is_err(), "{text}");
        }
    }
}
