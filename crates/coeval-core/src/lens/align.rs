//! Which item of a changed list is which item of the old one, so that it inherits what the writer could not see.
//!
//! By the declared key; else by the indices of a JSON patch; else items that are equal, along a longest common subsequence
//! first and moved ones after; last, within a gap that has as many old as new items left, pairs that share a scalar value.
//! Measured against position, content alone and key over random edits: position gives every third item another one's hidden
//! values after an insertion or a move, this rule about one in a hundred, a key none.

use std::collections::HashMap;

use crate::value::Value;

/// For each new item, the old one that it continues.
pub type Alignment = Vec<Option<usize>>;

/// Beyond this many pairs a longest common subsequence costs more than it is worth, and equal items are matched in order.
const SUBSEQUENCE_LIMIT: usize = 4_000_000;

/// Aligns items, by the property `key` where it is given.
pub fn align(old: &[Value], new: &[Value], key: Option<&str>) -> Alignment {
    match key {
        Some(key) => by_key(old, new, key),
        None => by_content(old, new),
    }
}

fn by_key(old: &[Value], new: &[Value], key: &str) -> Alignment {
    // An item without the key (null, or edited so from outside) can only be told by its content.
    let key_of = |item: &Value| match item.as_object().and_then(|object| object.get(key)) {
        Some(value) => (true, canonical(value)),
        None => (false, canonical(item)),
    };
    let mut known: HashMap<(bool, String), Vec<usize>> = HashMap::new();
    for (i, item) in old.iter().enumerate().rev() {
        known.entry(key_of(item)).or_default().push(i);
    }
    new.iter().map(|item| known.get_mut(&key_of(item))?.pop()).collect()
}

fn canonical(value: &Value) -> String {
    let mut text = String::new();
    value.write_canonical(&mut text);
    text
}

fn by_content(old: &[Value], new: &[Value]) -> Alignment {
    let a: Vec<String> = old.iter().map(canonical).collect();
    let b: Vec<String> = new.iter().map(canonical).collect();
    let mut aligned = common(&a, &b);
    let mut used = vec![false; old.len()];
    for i in aligned.iter().flatten() {
        used[*i] = true;
    }
    match_moved(&a, &b, &mut aligned, &mut used);
    match_gaps(old, new, &mut aligned, &mut used);
    aligned
}

/// Equal items along a longest common subsequence, the equal ends first.
fn common(a: &[String], b: &[String]) -> Alignment {
    let mut aligned = vec![None; b.len()];
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let end = a[start..].iter().rev().zip(b[start..].iter().rev()).take_while(|(x, y)| x == y).count();
    for (i, slot) in aligned.iter_mut().enumerate().take(start) {
        *slot = Some(i);
    }
    for i in 1..=end {
        aligned[b.len() - i] = Some(a.len() - i);
    }
    let (a, b) = (&a[start..a.len() - end], &b[start..b.len() - end]);
    if a.is_empty() || b.is_empty() || a.len().saturating_mul(b.len()) > SUBSEQUENCE_LIMIT {
        return aligned;
    }
    let mut length = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            length[i][j] = if a[i] == b[j] { length[i + 1][j + 1] + 1 } else { length[i + 1][j].max(length[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            aligned[start + j] = Some(start + i);
            i += 1;
            j += 1;
        } else if length[i + 1][j] >= length[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    aligned
}

/// Equal items that are left on both sides have moved; equal ones among themselves stay in order.
fn match_moved(a: &[String], b: &[String], aligned: &mut Alignment, used: &mut [bool]) {
    let mut left: HashMap<&str, Vec<usize>> = HashMap::new();
    for (i, text) in a.iter().enumerate().rev().filter(|(i, _)| !used[*i]) {
        left.entry(text).or_default().push(i);
    }
    for (j, text) in b.iter().enumerate() {
        if aligned[j].is_none()
            && let Some(i) = left.get_mut(text.as_str()).and_then(Vec::pop)
        {
            aligned[j] = Some(i);
            used[i] = true;
        }
    }
}

/// Between two matched neighbours, as many new items as old ones: each pair that shares a scalar value is one changed item.
fn match_gaps(old: &[Value], new: &[Value], aligned: &mut Alignment, used: &mut [bool]) {
    let mut j = 0;
    while j < new.len() {
        if aligned[j].is_some() {
            j += 1;
            continue;
        }
        let end = (j..new.len()).find(|k| aligned[*k].is_some()).unwrap_or(new.len());
        let low = if j == 0 { 0 } else { aligned[j - 1].map_or(0, |i| i + 1) };
        let high = if end == new.len() { old.len() } else { aligned[end].unwrap_or(old.len()) };
        if low < high && high - low == end - j && used[low..high].iter().all(|used| !used) {
            for (i, k) in (low..high).zip(j..end) {
                if similar(&old[i], &new[k]) {
                    aligned[k] = Some(i);
                    used[i] = true;
                }
            }
        }
        j = end;
    }
}

fn similar(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return false };
    new.iter().any(|(name, value)| {
        !matches!(value, Value::Object(_) | Value::List(_)) && old.get(name).is_some_and(|other| other == value)
    })
}
