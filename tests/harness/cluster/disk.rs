//! Disks that misbehave: a small one that can be filled up, and a process whose syncs fail or are
//! slow.
//!
//! Both need permissions that not every machine grants: the one, a file system of its own, and
//! root; the other, `strace` and the permission to trace. Without them `None` is returned, and the
//! caller reports what it skips. Nothing here is ever left behind: the file system has no name, and
//! is gone with this process; a tracer ends with the process that it traces.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::wait::within;

/// For a tracer to attach, or to detach.
const TRACE_LIMIT: Duration = Duration::from_secs(20);
const FILL_BYTES: usize = 1 << 20;

/// A file system of a few MiB.
#[derive(Debug)]
pub struct SmallDisk {
    /// What keeps the file system there, and its only name.
    root: File,
}

impl SmallDisk {
    /// Makes one, if this process may. `at` is an empty directory, free again afterwards.
    #[must_use]
    pub fn mount(at: &Path, mib: u64) -> Option<Self> {
        let quiet = |command: &mut Command| {
            let ran = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            ran.is_ok_and(|status| status.success())
        };
        let size = format!("size={mib}m");
        if !quiet(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at)) {
            return None;
        }
        let root = File::open(at);
        // It stays as long as it is open, under no path but that of the open file.
        let is_detached = quiet(Command::new("umount").arg("-l").arg(at));
        assert!(is_detached, "{at:?} could not be unmounted");
        Some(Self { root: root.ok()? })
    }

    /// A directory on it.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        format!("/proc/{}/fd/{}/data", std::process::id(), self.root.as_raw_fd()).into()
    }

    /// Takes all the space that there is.
    ///
    /// # Panics
    /// When it fails otherwise than by being full.
    pub fn fill(&self) {
        let path = self.ballast();
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a file");
        let mut size = FILL_BYTES;
        while size > 0 {
            match file.write_all(&vec![0xa5; size]) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => size /= 16,
                Err(error) => panic!("filling a disk: {error}"),
            }
        }
    }

    /// Gives it back.
    ///
    /// # Panics
    /// When it was not taken.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("the disk was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.directory().with_file_name("ballast")
    }
}

/// The fault of a process's syncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    /// From now on each fails with EIO.
    Fail,
    /// Each takes so much longer.
    Crawl(Duration),
}

/// A process whose syncs are tampered with as long as this lives.
#[derive(Debug)]
pub struct Tampered {
    tracer: Child,
}

impl Tampered {
    /// Takes hold of a running process, if this one may.
    pub async fn attach(process: u32, syncs: Syncs) -> Option<Self> {
        let what = match syncs {
            Syncs::Fail => "error=EIO".to_owned(),
            Syncs::Crawl(delay) => format!("delay_enter={}", delay.as_micros()),
        };
        let calls = "fdatasync,fsync";
        let tracer = Command::new("strace")
            .args(["-f", "-qqq", "-o", "/dev/null", "-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:{what}"), "-p", &process.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut tampered = Self { tracer: tracer.ok()? };
        let held = within("the tracer takes hold", TRACE_LIMIT, async || {
            match tampered.tracer.try_wait() {
                Ok(None) if is_traced(process) => Ok(true),
                Ok(None) => Err("it has not".to_owned()),
                // A process whose syncs fail may end at once, and its tracer in order with it.
                Ok(Some(status)) => Ok(status.success()),
                // It may not trace, or is not there.
                Err(_) => Ok(false),
            }
        })
        .await;
        held.then_some(tampered)
    }

    /// Lets go; the process runs on.
    pub fn release(self) {}
}

impl Drop for Tampered {
    fn drop(&mut self) {
        // It detaches from the process when it ends, however it ends. It may have ended already.
        let _ = self.tracer.kill();
        let _ = self.tracer.wait();
    }
}

/// Whether every thread of a process is traced.
fn is_traced(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return false };
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let mut tracers = status.lines().filter_map(|line| line.strip_prefix("TracerPid:"));
        tracers.all(|tracer| tracer.trim() != "0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_is_full_and_free_again() {
        let scratch = tempfile::tempdir().unwrap();
        let Some(disk) = SmallDisk::mount(scratch.path(), 2) else {
            println!("disk: left out: this process may not mount");
            return;
        };
        fs::create_dir(disk.directory()).unwrap();
        let file = disk.directory().join("file");
        disk.fill();
        let full = fs::write(&file, [0; 8192]).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        disk.free();
        fs::write(&file, [0; 8192]).unwrap();
        assert!(fs::read_dir(scratch.path()).unwrap().next().is_none(), "it is mounted still");
    }

    #[tokio::test]
    async fn syncs_fail_as_long_as_they_are_tampered_with() {
        let scratch = tempfile::tempdir().unwrap();
        let script = "while read _; do sync -d \"$0\" && echo ok || echo no; done";
        let file = scratch.path().join("file");
        fs::write(&file, "x").unwrap();
        let mut child = Command::new("sh")
            .args(["-c", script])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut asks = child.stdin.take().unwrap();
        let mut answers = io::BufReader::new(child.stdout.take().unwrap());
        let mut sync = || {
            let mut answer = String::new();
            asks.write_all(b"\n").unwrap();
            io::BufRead::read_line(&mut answers, &mut answer).unwrap();
            answer.trim().to_owned()
        };
        assert_eq!(sync(), "ok");
        if let Some(tampered) = Tampered::attach(child.id(), Syncs::Fail).await {
            assert_eq!(sync(), "no");
            tampered.release();
            assert_eq!(sync(), "ok");
        } else {
            println!("disk: left out: strace is not there, or may not trace");
        }
        drop(asks);
        child.wait().unwrap();
    }
}
