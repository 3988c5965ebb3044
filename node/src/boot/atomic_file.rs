//! Atomic replacement of small files: written to a temporary file, synced, renamed, and the
//! directory synced. Not for files that are written often.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Only the owner may read or write.
const OWNER_ONLY: u32 = 0o600;

/// Replaces a file that only its owner may read.
///
/// # Errors
/// When the disk fails; then the old file is unchanged.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let mut file =
        OpenOptions::new().create(true).write(true).truncate(true).mode(OWNER_ONLY).open(beside)?;
    // One that was left behind keeps its old mode.
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(beside, path)?;
    sync_directory(path)
}

/// Writes a file of the owner's alone where there is none yet.
///
/// # Errors
/// When there is one, or the disk does not do it.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(OWNER_ONLY).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_directory(path)
}

/// Refuses a file that others than its owner may read or write.
///
/// # Errors
/// When they may, or it cannot be looked at.
pub fn require_owner_only(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let text = format!("others may read or write it (mode {:03o}): chmod 600", mode & 0o777);
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_the_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        create(&path, b"one").unwrap();
        require_owner_only(&path).unwrap();
        assert!(create(&path, b"two").is_err(), "an existing file is never overwritten");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(require_owner_only(&path).is_err());
        replace(&path, b"three").unwrap();
        require_owner_only(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
    }
}
