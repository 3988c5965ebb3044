//! Faults of many kinds, one after another, under clients of all kinds, whose history is checked at the end.

mod kinds;
mod long_run;
mod promises;
