//! Processes that are killed or paused, regions that go down and return, and data directories that
//! are damaged or lost: nine processes, and their answers meanwhile and afterwards.

mod all_killed;
pub(crate) mod damage;
mod leader_killed;
mod recovery;
mod region_down;
mod sick_disk;
mod wiped_node;
