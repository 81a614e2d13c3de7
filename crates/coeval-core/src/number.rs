//! Numbers that keep their text.
//!
//! JSON numbers are decimal texts without a size. A conversion to a machine number loses some of them (`1.10`,
//! `12345678901234567890`, `1e400`), so a [`Number`] is its text, and is compared as the exact decimal it stands for.

use std::fmt;
use std::str::FromStr;

use bigdecimal::BigDecimal;

/// A JSON number: the text as it was written, equal to another by exact decimal value.
#[derive(Clone)]
pub struct Number(Box<str>);

/// The widest exponent, either way, that arithmetic accepts: beyond it a sum would need more memory than a record is worth.
const EXPONENT_LIMIT: i64 = 10_000;

impl Number {
    /// Returns the number that `text` spells, or `None` where it is not a JSON number.
    pub fn parse(text: &str) -> Option<Self> {
        (scan(text.as_bytes()) == Some(text.len())).then(|| Self(text.into()))
    }

    /// Returns the text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the value of a number written without fraction and exponent that fits 64 bits.
    pub fn to_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// Returns the nearest double; `None` where it would be infinite.
    pub fn to_f64(&self) -> Option<f64> {
        self.0.parse().ok().filter(|x: &f64| x.is_finite())
    }

    /// Returns the exact decimal; `None` beyond ten to the ±10,000, which no arithmetic here computes with.
    pub fn to_decimal(&self) -> Option<BigDecimal> {
        let (_, digits, exponent) = self.parts();
        let exponent = exponent?;
        let length = i64::try_from(digits.len()).ok()?;
        if exponent.abs() > EXPONENT_LIMIT || length > EXPONENT_LIMIT {
            return None;
        }
        BigDecimal::from_str(&self.0).ok()
    }

    /// Returns the normalised decimal: digits without leading or trailing zeros, then `e` and the power of ten unless it
    /// is zero. Equal numbers, and only they, have equal texts: `1.10` is `11e-1`, `100.0` is `1e2`, `-0` is `0`.
    pub fn canonical(&self) -> String {
        let (negative, digits, exponent) = self.parts();
        let Some(exponent) = exponent else {
            // An exponent beyond 18 digits: compared by its text, which can only tell equal numbers apart, never merge two.
            return self.0.to_string();
        };
        if digits.is_empty() {
            return "0".to_owned();
        }
        let sign = if negative { "-" } else { "" };
        if exponent == 0 { format!("{sign}{digits}") } else { format!("{sign}{digits}e{exponent}") }
    }

    /// Returns the number as people write it, as part of a key: `110`, `1.1`, `-0.05`. Equal numbers, and only they, have equal texts.
    /// One that would have more than 40 zeros for its exponent is [`Number::canonical`].
    pub fn plain(&self) -> String {
        let (negative, digits, exponent) = self.parts();
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or_default());
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let text = match exponent {
            Some(exponent) if (0..=40).contains(&exponent) => format!("{digits}{}", zeros(exponent)),
            Some(exponent) if (-40..0).contains(&exponent) => {
                let all = format!("{}{digits}", zeros(1 - length - exponent));
                let (whole, fraction) = all.split_at(all.len() - usize::try_from(-exponent).unwrap_or_default());
                format!("{whole}.{fraction}")
            }
            _ => return self.canonical(),
        };
        match (text.as_str(), negative) {
            ("", _) => "0".to_owned(),
            (_, true) => format!("-{text}"),
            (_, false) => text,
        }
    }

    /// Sign, digits without outer zeros (empty for zero), and the power of ten of the last digit.
    fn parts(&self) -> (bool, String, Option<i64>) {
        let negative = self.0.starts_with('-');
        let text = self.0.trim_start_matches('-');
        let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let leading = all.trim_start_matches('0');
        let digits = leading.trim_end_matches('0');
        let stripped = leading.len() - digits.len();
        let power = if power.len() > 18 { None } else { power.parse::<i64>().ok() };
        let shift = i64::try_from(stripped).ok().zip(i64::try_from(fraction.len()).ok());
        let exponent = power.zip(shift).map(|(power, (stripped, fraction))| power + stripped - fraction);
        (negative, digits.to_owned(), if digits.is_empty() { Some(0) } else { exponent })
    }
}

/// Returns how many bytes at the start of `text` are a JSON number.
pub(crate) fn scan(text: &[u8]) -> Option<usize> {
    let digits = |mut at: usize| {
        let start = at;
        while text.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        (at > start).then_some(at)
    };
    let start = usize::from(text.first() == Some(&b'-'));
    let mut end = digits(start)?;
    if text[start] == b'0' && end > start + 1 {
        return None;
    }
    if text.get(end) == Some(&b'.') {
        end = digits(end + 1)?;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end = digits(end + 1 + sign)?;
    }
    Some(end)
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.canonical() == other.canonical()
    }
}

impl Eq for Number {}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(value.to_string().into())
    }
}

impl From<&BigDecimal> for Number {
    /// Writes the decimal plainly, without trailing zeros: `19.99`, `100`.
    fn from(value: &BigDecimal) -> Self {
        let text = value.normalized().to_plain_string();
        Self(if text == "-0" { "0".into() } else { text.into() })
    }
}

impl Number {
    /// Returns the shortest text that reads back as this double; `None` for infinities and NaN, which JSON cannot spell.
    pub fn from_f64(value: f64) -> Option<Self> {
        value.is_finite().then(|| {
            let text = format!("{value:?}");
            Self(text.strip_suffix(".0").unwrap_or(&text).into())
        })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn equal_decimals_are_equal_and_keep_their_texts() {
        for (a, b) in [("1.10", "1.1"), ("100.0", "1e2"), ("-0", "0"), ("0e5", "0.000"), ("1E+2", "100"), ("12e-1", "1.2")] {
            assert_eq!(number(a), number(b));
            assert_eq!(number(a).as_str(), a);
        }
        for (a, b) in
            [("1e400", "1e401"), ("12345678901234567890", "12345678901234567891"), ("1", "-1"), ("1e99999999999999999999", "1")]
        {
            assert_ne!(number(a), number(b));
        }
    }

    #[test]
    fn numbers_in_keys_are_written_as_people_write_them() {
        let cases = [
            ("110", "110"),
            ("1e2", "100"),
            ("-1200.00", "-1200"),
            ("1.10", "1.1"),
            ("-5e-2", "-0.05"),
            ("12.5e-3", "0.0125"),
            ("-0.0", "0"),
            ("0e99", "0"),
            ("1E40", &format!("1{}", "0".repeat(40))),
            ("1e-40", &format!("0.{}1", "0".repeat(39))),
            ("1e41", "1e41"),
            ("10e-42", "1e-41"),
            ("1e99999999999999999999", "1e99999999999999999999"),
        ];
        for (text, plain) in cases {
            assert_eq!(number(text).plain(), plain, "{text}");
        }
    }

    #[test]
    fn only_json_numbers_parse() {
        for text in ["", "-", "01", "1.", ".5", "1e", "+1", "0x1", "1 ", "NaN", "--1"] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }
}
