//! Bugs that were put in on purpose: is each one found, and by how many seeds?

use crate::seeds::Runner;

/// Runs each bug's seeds; false when one is never found, or there is none.
pub(crate) fn all(
    runner: &Runner,
    (from, count): (u64, usize),
    stops_at_first: bool,
    only: &[String],
) -> bool {
    let bugs = runner.bugs().unwrap_or_default();
    let bugs: Vec<&String> =
        bugs.iter().filter(|bug| only.is_empty() || only.contains(bug)).collect();
    println!("{:40} {:>7} {:>6}  by", "planted bug", "found", "of");
    let mut missed = 0;
    for bug in &bugs {
        let (mut found, mut seeds, mut first) = (0, 0, None);
        runner.run_while(from..from + count as u64, Some(bug.as_str()), &mut |report| {
            seeds += 1;
            if let Some(violation) = report.violation {
                found += 1;
                let rule = violation.lines().next().unwrap_or_default().to_owned();
                first.get_or_insert((report.seed, rule));
            }
            !(stops_at_first && found > 0)
        });
        let by = first.map_or_else(String::new, |(seed, rule)| format!("{seed}: {rule}"));
        let by: String = by.chars().take(120).collect();
        println!("{bug:40} {found:>7} {seeds:>6}  {by}");
        missed += usize::from(found == 0);
    }
    println!("simulation: {} planted bugs, {missed} not found", bugs.len());
    missed == 0 && !bugs.is_empty()
}
