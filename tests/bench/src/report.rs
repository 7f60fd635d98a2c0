//! Rows of the table.

use serde_json::json;

/// What is good about a ratio.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    /// The ratio shall be at least this.
    AtLeast(f64),
    /// The measured value shall be at most this.
    AtMost(f64),
    /// There is none.
    None,
}

/// Prints a ratio of two values of one run.
pub(crate) fn ratio(
    what: &str,
    unit: &str,
    ours: f64,
    against: &str,
    baseline: f64,
    budget: Budget,
) {
    println!(
        "{}",
        json!({
            "what": what,
            "unit": unit,
            "ours": ours,
            "against": against,
            "baseline": baseline,
            "ratio": ours / baseline,
            "budget": number(budget),
            "met": met(budget, ours / baseline),
        })
    );
}

/// Prints a value that stands against a budget alone.
pub(crate) fn value(what: &str, unit: &str, ours: f64, budget: Budget) {
    println!(
        "{}",
        json!({
            "what": what,
            "unit": unit,
            "ours": ours,
            "budget": number(budget),
            "met": met(budget, ours),
        })
    );
}

/// Prints why a row is missing.
pub(crate) fn skipped(what: &str, why: &str) {
    println!("{}", json!({ "what": what, "skipped": why }));
}

fn number(budget: Budget) -> Option<f64> {
    match budget {
        Budget::AtLeast(limit) | Budget::AtMost(limit) => Some(limit),
        Budget::None => None,
    }
}

fn met(budget: Budget, value: f64) -> Option<bool> {
    match budget {
        Budget::AtLeast(limit) => Some(value >= limit),
        Budget::AtMost(limit) => Some(value <= limit),
        Budget::None => None,
    }
}

/// The middle of several measurements.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
