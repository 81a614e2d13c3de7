//! Spans of time: months, days and microseconds, which have no common measure.

use crate::value::Value;

/// A span of time. A month has 28 to 31 days, so that the three parts are kept and added one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Months, a year being twelve.
    pub months: i64,
    /// Days.
    pub days: i64,
    /// Microseconds.
    pub micros: i64,
}

const SECOND: i64 = 1_000_000;

impl Interval {
    /// Reads an interval: numbers and units, and a time of day: `1 year 2 months -3 days 04:05:06.7`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut interval = Self { months: 0, days: 0, micros: 0 };
        let spaced = text.to_lowercase();
        let mut words = spaced.split_ascii_whitespace().peekable();
        words.peek()?;
        while let Some(word) = words.next() {
            if word.contains(':') {
                interval.micros = interval.micros.checked_add(clock(word)?)?;
                continue;
            }
            // `1day` is a number and a unit too.
            let at = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
            let (number, unit) = word.split_at(at);
            let unit = if unit.is_empty() { words.next()? } else { unit };
            interval.add(number, unit)?;
        }
        Some(interval)
    }

    fn add(&mut self, number: &str, unit: &str) -> Option<()> {
        let unit = unit.strip_suffix('s').filter(|unit| !unit.is_empty()).unwrap_or(unit);
        if matches!(unit, "second" | "sec" | "s") {
            self.micros = self.micros.checked_add(seconds(number)?)?;
            return Some(());
        }
        let count: i64 = number.parse().ok()?;
        let (part, factor) = match unit {
            "year" | "yr" => (&mut self.months, 12),
            "month" | "mon" => (&mut self.months, 1),
            "week" => (&mut self.days, 7),
            "day" => (&mut self.days, 1),
            "hour" | "hr" => (&mut self.micros, 3600 * SECOND),
            "minute" | "min" => (&mut self.micros, 60 * SECOND),
            _ => return None,
        };
        *part = part.checked_add(count.checked_mul(factor)?)?;
        Some(())
    }

    /// Returns the sum of the parts; `None` where one does not fit.
    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            micros: self.micros.checked_add(other.micros)?,
        })
    }

    /// Returns the parts so many times; `None` where one does not fit.
    pub fn times(self, factor: i64) -> Option<Self> {
        Some(Self {
            months: self.months.checked_mul(factor)?,
            days: self.days.checked_mul(factor)?,
            micros: self.micros.checked_mul(factor)?,
        })
    }

    /// Returns the form that it has while an expression is evaluated.
    pub(super) fn to_value(self) -> Value {
        Value::List(vec![self.months.into(), self.days.into(), self.micros.into()])
    }

    /// Returns the interval of a value that [`Interval::to_value`] gave.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let [months, days, micros] = value.as_list()? else { return None };
        Some(Self { months: months.as_i64()?, days: days.as_i64()?, micros: micros.as_i64()? })
    }
}

/// The microseconds of `1.5`.
fn seconds(number: &str) -> Option<i64> {
    let (sign, digits) = number.strip_prefix('-').map_or((1, number.strip_prefix('+').unwrap_or(number)), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || fraction.len() > 6 || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let fraction: i64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<6}").parse().ok()? };
    whole.parse::<i64>().ok()?.checked_mul(SECOND)?.checked_add(fraction)?.checked_mul(sign)
}

/// The microseconds of `04:05:06.7` or `04:05`.
fn clock(word: &str) -> Option<i64> {
    let (sign, digits) = word.strip_prefix('-').map_or((1, word), |rest| (-1, rest));
    let mut parts = digits.splitn(3, ':');
    let hours: i64 = parts.next()?.parse().ok().filter(|h| *h >= 0)?;
    let minutes: i64 = parts.next()?.parse().ok().filter(|m| (0..60).contains(m))?;
    let rest = seconds(parts.next().unwrap_or("0")).filter(|s| (0..60 * SECOND).contains(s))?;
    let micros = hours.checked_mul(3600)?.checked_add(minutes * 60)?.checked_mul(SECOND)?.checked_add(rest)?;
    Some(micros * sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_part_by_part() {
        for (text, months, days, micros) in [
            ("1 day", 0, 1, 0),
            ("2 Months", 2, 0, 0),
            ("1 hour 30 minutes", 0, 0, 5_400_000_000),
            ("1 year -3 days 04:05:06.7", 12, -3, 14_706_700_000),
            ("1.5 s", 0, 0, 1_500_000),
            ("-00:01", 0, 0, -60_000_000),
            ("2weeks", 0, 14, 0),
        ] {
            assert_eq!(Interval::parse(text), Some(Interval { months, days, micros }), "{text}");
        }
        for text in ["", "day", "1", "1.5 days", "1 fortnight", "1:99", "99999999999999999999 days", "9223372036854775807 years"]
        {
            assert_eq!(Interval::parse(text), None, "{text}");
        }
    }
}
