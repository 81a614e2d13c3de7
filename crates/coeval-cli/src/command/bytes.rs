//! Sizes on the command line.

/// Reads a number of bytes, in thousands, millions or billions where it ends in `k`, `M` or `G` (powers of 1024).
pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    let upper = text.to_ascii_uppercase();
    let bare = upper.trim_end_matches("IB").trim_end_matches('B');
    let (digits, shift) = match bare.strip_suffix(['K', 'M', 'G']) {
        Some(digits) => (
            digits,
            if bare.ends_with('K') {
                10
            } else if bare.ends_with('M') {
                20
            } else {
                30
            },
        ),
        None => (bare, 0),
    };
    let size = digits.parse::<usize>().ok().filter(|size| *size > 0).and_then(|size| size.checked_mul(1 << shift));
    size.ok_or_else(|| "expected a number of bytes such as 1000000, 512k or 64M".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, size) in [("10", 10), ("2k", 2048), ("64MiB", 64 << 20), ("1G", 1 << 30)] {
            assert_eq!(parse_size(text), Ok(size));
        }
        for text in ["", "0", "-1", "M", "1.5M", "99999999999999999999G"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
