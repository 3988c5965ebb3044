//! The repository's own texts, with paths from its root.

use std::{collections::BTreeMap, fs, path::Path};

/// The first character of folders that are not for readers.
pub(crate) const TOP_FOLDERS_HIDDEN: [Option<char>; 1] = [Some('.')];
/// Folders of tools and results.
const LEFT_OUT: [&str; 3] = [".git", "target", ".cache"];

/// Every file that is text.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) text: BTreeMap<String, String>,
}

impl Files {
    pub(crate) fn read(root: &Path) -> Self {
        let mut files = Self::default();
        files.read_folder(root, "");
        files
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            if LEFT_OUT.contains(&name.as_str()) {
                continue;
            }
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().expect("its type");
            if kind.is_dir() {
                self.read_folder(&entry.path(), &format!("{path}/"));
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                self.text.insert(path, text);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn of(samples: &[(&str, &str)]) -> Self {
        let text = samples.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
        Self { text }
    }
}
