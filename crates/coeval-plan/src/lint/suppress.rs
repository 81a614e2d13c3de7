//! Comments that allow a finding: `-- coeval-lint: allow CODE: because …`, above the statement.

use std::ops::Range;

use coeval_core::invalid::nearest;

use super::Finding;
use super::check::finding;
use super::rules::{NO_REASON, Rule, UNCLOSED, UNKNOWN_CODE, UNUSED, all, rule};
use crate::sql::{Piece, Token};

const MARK: &str = "coeval-lint:";

/// One code that a comment allows.
struct Allowed {
    code: String,
    span: Range<usize>,
    reason: bool,
    /// The bytes of the statement beneath it; `None` where there is none.
    covers: Option<Range<usize>>,
    used: bool,
}

/// Takes out what comments allow, and adds what is wrong with the comments.
pub(super) fn apply(found: Vec<Finding>, pieces: &[Piece<'_>], trailing: &[Token<'_>]) -> Vec<Finding> {
    let mut allowed = Vec::new();
    let mut wrong = Vec::new();
    for piece in pieces {
        for comment in &piece.comments {
            read(comment, Some(&piece.span()), &mut allowed, &mut wrong);
        }
    }
    for comment in trailing {
        read(comment, None, &mut allowed, &mut wrong);
    }
    let mut out: Vec<Finding> = found
        .into_iter()
        .filter(|finding| {
            let covers = |span: &Range<usize>| span.contains(&finding.span.start);
            let fits = |a: &&mut Allowed| a.code == finding.code && a.covers.as_ref().is_some_and(covers);
            match allowed.iter_mut().find(fits) {
                Some(allowed) if finding.code != UNCLOSED.code => {
                    allowed.used = true;
                    !allowed.reason
                }
                _ => true,
            }
        })
        .collect();
    for allowed in &allowed {
        let named = [("code", allowed.code.as_str())];
        if rule(&allowed.code).is_none() {
            let near = nearest(&allowed.code, all().map(|rule| rule.code));
            let near =
                near.map_or_else(|| "`coeval lint --rules` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
            out.push(finding(&UNKNOWN_CODE, allowed.span.clone(), &[named[0], ("near", &near)]));
        } else if !allowed.reason {
            out.push(finding(&NO_REASON, allowed.span.clone(), &named));
        } else if !allowed.used {
            out.push(finding(&UNUSED, allowed.span.clone(), &named));
        }
    }
    out.extend(wrong);
    out.sort_by(|a, b| (a.span.start, a.code).cmp(&(b.span.start, b.code)));
    out
}

fn read(comment: &Token<'_>, covers: Option<&Range<usize>>, allowed: &mut Vec<Allowed>, wrong: &mut Vec<Finding>) {
    let Some(at) = comment.text.find(MARK) else { return };
    let said = comment.text[at + MARK.len()..].trim_end_matches("*/").trim();
    let span = comment.start + at..comment.end();
    let mut refuse = |rule: &'static Rule, name: &str| {
        let help = "`coeval-lint: allow CODE: because …`";
        wrong.push(finding(rule, span.clone(), &[("code", name), ("near", help)]));
    };
    let Some(said) = said.strip_prefix("allow").filter(|rest| rest.starts_with(char::is_whitespace)) else {
        return refuse(&UNKNOWN_CODE, &format!("`{said}`"));
    };
    let (codes, reason) = said.split_once(':').unwrap_or((said, ""));
    let reason = reason.trim();
    let reason = !reason.strip_prefix("because").unwrap_or(reason).trim_matches(|c: char| !c.is_alphanumeric()).is_empty();
    for code in codes.split(',').map(str::trim) {
        allowed.push(Allowed { code: code.to_owned(), span: span.clone(), reason, covers: covers.cloned(), used: false });
    }
}
