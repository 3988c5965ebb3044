//! Output: tables for people, JSON for programs. Texts from a server are printed without their
//! control characters, which a terminal would interpret.

use std::fmt::Write;

use concordat_client::{Freshness, Receipt, Written};
use concordat_proto::api::receipt::{self, ReceiptState};
use serde_json::{Value, json};

use crate::args::Output;

/// A command's answer in both forms.
pub(crate) struct Shown {
    /// For programs.
    pub(crate) json: Value,
    /// For people.
    pub(crate) text: String,
    /// For people, beside the answer.
    pub(crate) note: Option<String>,
    /// The message if this cannot be written: the completed action, and the output that is lost.
    pub(crate) unseen: Option<String>,
    /// The exit code once it is shown.
    pub(crate) exit_code: u8,
}

impl Shown {
    pub(crate) const fn new(json: Value, text: String) -> Self {
        Self { json, text, note: None, unseen: None, exit_code: 0 }
    }

    /// Marks a read that may be out of date.
    pub(crate) fn read(json: Value, text: String, freshness: &Freshness) -> Self {
        let note = match freshness {
            Freshness::Current | Freshness::Unmarked => None,
            Freshness::Stale { as_of } => {
                let as_of = printable(as_of.as_deref().unwrap_or("an unknown time"));
                Some(format!("note: this may be out of date, it was current as of {as_of}"))
            }
        };
        Self { note, ..Self::new(json, text) }
    }

    pub(crate) fn render(&self, output: Output) -> String {
        match output {
            Output::Table => self.text.clone(),
            Output::Json => format!("{:#}\n", self.json),
        }
    }
}

/// Without control characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Columns as wide as their widest cell.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let head = head.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(&head).chain(rows).map(clean).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..N).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn clean<const N: usize>(row: &[String; N]) -> [String; N] {
    std::array::from_fn(|column| printable(&row[column]))
}

/// A receipt: one line of it all, then a line per region.
pub(crate) fn receipt(receipt: &Receipt) -> Shown {
    let reached = if receipt.achieved { "reached" } else { "not reached" };
    let after = milliseconds(receipt.elapsed);
    let mut text = format!(
        "write {}: {} {reached} after {after} ms, {}\n",
        receipt.write_id,
        receipt.required,
        receipt.outcome.as_str()
    );
    let width = receipt.regions.iter().map(|r| r.region.as_str().len()).max().unwrap_or_default();
    for region in &receipt.regions {
        let state = if region.applied { ReceiptState::Applied } else { ReceiptState::Pending };
        let after = region.applied_after.map(|after| format!("  {:>9} ms", milliseconds(after)));
        let name = region.region.as_str();
        let _ = writeln!(text, "  {name:width$}  {state}{}", after.unwrap_or_default());
    }
    Shown::new(json!(receipt::Receipt::from(receipt)), text)
}

/// A write that reached its required consistency.
pub(crate) fn written(written: &Written) -> Shown {
    let Shown { json, mut text, .. } = receipt(&written.receipt);
    if let Some(etag) = &written.etag {
        let _ = writeln!(text, "etag {}", printable(etag));
    }
    let json = json!({
        "write_id": written.write_id,
        "position": written.position,
        "etag": written.etag,
        "receipt": json,
    });
    Shown::new(json, text)
}

fn milliseconds(duration: std::time::Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1000.0)
}

/// A value that may not be there.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_obey_nobody() {
        let rows = [["a".into(), "\u{1b}[2Jx".into()], ["long".into(), String::new()]];
        assert_eq!(table(["ID", "LABEL"], &rows), "ID    LABEL\na     \u{fffd}[2Jx\nlong\n");
    }
}
